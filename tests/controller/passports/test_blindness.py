"""Hosts that are blind get no passports, however they tell; and no host floods the list."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select, update

from lockgate.controller import zones
from lockgate.controller.clock import to_micros
from lockgate.controller.passports import blindness
from lockgate.controller.passports.issuing import Issuer
from lockgate.controller.passports.revoking import condensed, rules
from lockgate.controller.passports.schema import passport_revocations
from lockgate.controller.passports.settings import PassportSettings
from lockgate.controller.stream import entries
from lockgate.controller.stream.schema import agent_states
from lockgate.wire.agent import AgentHealth, GuardState, ZoneHealth
from lockgate.wire.passport import Passport
from lockgate.wire.revocations import Rule
from lockgate.wire.transfer import Decision, GuardChange, Verdict

ISSUER = Issuer(Ed25519PrivateKey.generate(), PassportSettings())
ALLOW = Decision(Verdict.ALLOW, rule="clean")
MINUTE = timedelta(minutes=1)


def tell(connection, now, state, **of_zones):
    """Keep the health that the agent of host-1 tells."""
    told = tuple(ZoneHealth(name, each, ("a canary came out",)) for name, each in of_zones.items())
    health = entries.health_fields(AgentHealth(state, ('said "blind"',), told, "c" * 64))
    row = {"health": json.dumps(health), "health_at": to_micros(now)}
    if connection.execute(update(agent_states).values(**row)).rowcount == 0:
        known = {"version": "1", "capabilities": "[]", "connected_at": 0, "heard_at": 0}
        connection.execute(insert(agent_states).values(host="host-1", **known, **row))


@pytest.mark.parametrize(
    ("state", "of_zones", "is_given"),
    [
        (GuardState.ENFORCING, {"signing": GuardState.ENFORCING}, True),
        (GuardState.BLIND, {"signing": GuardState.BLIND}, False),
        (GuardState.BLIND, {"signing": GuardState.DEGRADED, "other": GuardState.BLIND}, True),
        (GuardState.BLIND, {"signing": GuardState.DEGRADED}, False),
        (GuardState.BLIND, {}, False),
    ],
)
def test_a_zone_that_is_blind_by_its_agents_health_gets_no_passport(
    engine, samples, state, of_zones, is_given
):
    """Nor does any zone of an agent that is blind as a whole."""
    with engine.begin() as connection:
        tell(connection, samples.now, state, **of_zones)
        answer = ISSUER.given(connection, b"passport", samples.transfer(), ALLOW)
    assert bool(answer) is is_given


def test_what_was_given_before_an_agents_health_told_is_revoked_once(
    engine, remembering_ledger, samples
):
    """From a while before; again only when it was told anew."""
    now, settings = samples.now, ISSUER.settings
    given = (remembering_ledger, settings)
    with engine.begin() as connection:
        tell(connection, now, GuardState.BLIND, signing=GuardState.BLIND)
        assert blindness.revoke_told(connection, *given, now + MINUTE) == 1
        assert blindness.revoke_told(connection, *given, now - MINUTE) == 0
        (rule,) = rules(connection, settings.life, now + MINUTE)
        tell(connection, now + 2 * MINUTE, GuardState.BLIND, signing=GuardState.BLIND)
        assert blindness.revoke_told(connection, *given, now + 2 * MINUTE) == 1
        tell(connection, now + 3 * MINUTE, GuardState.ENFORCING, signing=GuardState.ENFORCING)
        assert blindness.revoke_told(connection, *given, now + 3 * MINUTE) == 0
    assert (rule.host, rule.zone, rule.until) == ("host-1", "signing", now + MINUTE)
    assert rule.since == now - timedelta(minutes=settings.blind_minutes)
    assert [entry["kind"] for entry in remembering_ledger.entries] == ["passport-revoked"] * 2


def test_blindness_told_again_and_again_is_one_rule(engine, remembering_ledger, samples):
    """Nothing was given in between that could be revoked."""
    with engine.begin() as connection:
        for number in range(3):
            now = samples.now + number * MINUTE
            told = {"host": "host-1", "zone": "signing", "detail": "", "ledger_index": number}
            zones.record(connection, GuardChange.BLIND, **told, micros=to_micros(now))
            where = (GuardChange.BLIND, "host-1", "signing")
            ISSUER.on_guard(connection, remembering_ledger, *where, now)
        assert len(connection.execute(select(passport_revocations)).all()) == 1


SPANS = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 9), st.sampled_from("ab"), st.sampled_from("xy ")),
    max_size=12,
)


@given(SPANS, st.integers(0, 60), st.sampled_from("abc"), st.sampled_from("xyz"))
def test_a_condensed_list_revokes_the_same(samples_of, minute, host, zone):
    """Passport by passport, and no two of its rules could be one."""
    start = to_time(0)
    found = [
        Rule("blind", "", of, where.strip(), to_time(since), to_time(since + length))
        for since, length, of, where in samples_of
    ]
    asked = to_time(minute)
    shown = Passport("a" * 64, "t", host, zone, "", "open", "", asked, start, {})
    short = condensed(found)
    assert any(r.revokes(shown) for r in short) is any(r.revokes(shown) for r in found)
    assert len(short) <= len(set(found))


def to_time(minutes):
    """So many minutes after the beginning of a year."""
    return datetime(2026, 1, 1, tzinfo=UTC) + minutes * MINUTE


def test_a_host_with_very_many_rules_is_revoked_as_a_whole():
    """The list stays short; other hosts, and rules of one transfer, stay as they are."""
    many = [
        Rule("blind", "", "mad", f"zone-{number}", to_time(number), to_time(number + 1))
        for number in range(500)
    ]
    others = [Rule("blind", "", "good", "z", to_time(1), to_time(2)), Rule("lost", "t-1")]
    short = condensed([*many, *others])
    assert len(short) == 3
    assert {(rule.host, rule.zone, rule.transfer_id) for rule in short} == {
        ("mad", "", ""),
        ("good", "z", ""),
        ("", "", "t-1"),
    }
    (whole,) = [rule for rule in short if rule.host == "mad"]
    assert (whole.since, whole.until) == (to_time(0), to_time(500))
