"""Passports: stock DSSE, bound to bytes, key and time."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from lockgate.scan.report import EngineInfo, Gap, GapReason, Report
from lockgate.wire import dsse, passport
from lockgate.wire.transfer import (
    Boundary,
    Decision,
    FileIdentity,
    HoldReason,
    Transfer,
    Verdict,
    Zone,
    hold,
)

NOW = datetime(2026, 1, 2, tzinfo=UTC)
KEY = Ed25519PrivateKey.generate()
SHA256 = "a" * 64
ENGINE = EngineInfo("1", "pack", "standard", ("markers", "numbers"))
CLEAN = Report("/p", SHA256, 3, (), (), 3, 0.1, ENGINE)
MOVE = Transfer(
    "01890a5d-ac96-774b-bcce-b302099a8057",
    Zone("prod"),
    "host1",
    Boundary.OPEN,
    "/p",
    FileIdentity(1, 2, 3, 4, 5),
    None,
    NOW,
)
ALLOW = Decision(Verdict.ALLOW, rule="clean", policy_digest="c" * 64)
ENVELOPE = passport.sign(CLEAN, MOVE, ALLOW, KEY, NOW)


def test_a_passport_verifies_and_says_what_was_seen():
    """The holder of the public key learns zone, boundary, coverage, rules and expiry."""
    seen = passport.verify(ENVELOPE, KEY.public_key(), SHA256, NOW)
    assert (seen.from_zone, seen.boundary) == ("prod", "open")
    assert (seen.issued, seen.expires) == (NOW, NOW + timedelta(days=7))
    assert seen.predicate["searches"] == ["markers", "numbers"]
    assert seen.predicate["rulePack"] == "pack"


def test_a_passport_is_plain_dsse_around_plain_in_toto():
    """A verifier that knows only the two specifications accepts it."""
    outer = json.loads(ENVELOPE)
    body = base64.b64decode(outer["payload"])
    kind = outer["payloadType"].encode()
    encoded = b" ".join([b"DSSEv1", b"%d" % len(kind), kind, b"%d" % len(body), body])
    KEY.public_key().verify(base64.b64decode(outer["signatures"][0]["sig"]), encoded)
    statement = json.loads(body)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["subject"][0]["digest"] == {"sha256": SHA256}


@pytest.mark.parametrize(
    ("key", "sha256", "now"),
    [
        (Ed25519PrivateKey.generate(), SHA256, NOW),
        (KEY, "b" * 64, NOW),
        (KEY, SHA256, NOW + timedelta(days=7)),
        (KEY, SHA256, NOW - timedelta(hours=1)),
    ],
)
def test_another_key_other_bytes_or_another_time_are_refused(key, sha256, now):
    """A passport is for one key, one content and one week."""
    with pytest.raises(passport.PassportError):
        passport.verify(ENVELOPE, key.public_key(), sha256, now)


@given(st.one_of(st.binary(max_size=50), st.from_regex(r"\{.{0,40}\}").map(str.encode)))
def test_anything_else_is_a_passport_error(raw):
    """Hostile envelopes end in one kind of error."""
    with pytest.raises(passport.PassportError):
        passport.verify(raw, KEY.public_key(), SHA256, NOW)


@pytest.mark.parametrize(
    ("report", "decision"),
    [
        (CLEAN, hold(HoldReason.POLICY)),
        (Report("/p", SHA256, 3, (), (Gap(GapReason.BUDGET),), 3, 0.1, ENGINE), ALLOW),
        (Report("/p", None, 3, (), (), 3, 0.1, ENGINE), ALLOW),
    ],
)
def test_only_an_allow_of_a_clean_report_gets_one(report, decision):
    """Nothing held or incomplete can be given a passport."""
    with pytest.raises(ValueError):
        passport.sign(report, MOVE, decision, KEY, NOW)


@pytest.mark.parametrize(
    "changes",
    [{"coverage": None}, {"coverage": {"bytesScanned": 1, "gaps": 1}}, {"rulePack": ""}],
    ids=["none", "gap", "no-rules"],
)
def test_a_statement_without_whole_coverage_is_no_passport(changes):
    """Whoever signed it: what was looked at, and with which rules, is what it is about."""
    said = json.loads(base64.b64decode(json.loads(ENVELOPE)["payload"]))
    said["predicate"] |= changes
    envelope = dsse.sign(passport.PAYLOAD_TYPE, said, KEY)
    with pytest.raises(passport.PassportError) as refused:
        passport.verify(envelope, KEY.public_key(), SHA256, NOW)
    assert refused.value.fault is passport.PassportFault.NOT_A_PASSPORT


TERMS = passport.Terms(to_zone="debug", recipient="team", life=timedelta(hours=1))
BOUND = passport.sign(CLEAN, MOVE, ALLOW, KEY, NOW, TERMS)


@pytest.mark.parametrize(
    ("envelope", "crossing", "fault"),
    [
        (BOUND, {"to_zone": "debug", "recipient": "team", "from_zone": "prod"}, None),
        (BOUND, {"boundary": "open"}, None),
        (BOUND, {"to_zone": "other"}, "other-to-zone"),
        (BOUND, {"recipient": "somebody"}, "other-recipient"),
        (BOUND, {"from_zone": "other"}, "other-from-zone"),
        (BOUND, {"boundary": "outbox"}, "other-boundary"),
        (ENVELOPE, {}, None),
        (ENVELOPE, {"to_zone": "debug"}, "other-to-zone"),
        (ENVELOPE, {"recipient": ""}, "other-recipient"),
    ],
)
def test_what_is_asked_for_must_be_said(envelope, crossing, fault):
    """A passport that names nobody is for nobody in particular, which is not enough if asked."""
    asked = passport.Crossing(**crossing)
    if fault is None:
        passport.verify(envelope, KEY.public_key(), SHA256, NOW, asked)
        return
    with pytest.raises(passport.PassportError) as refused:
        passport.verify(envelope, KEY.public_key(), SHA256, NOW, asked)
    assert refused.value.fault.value == fault


def test_a_life_is_as_long_as_the_terms_say():
    """To the second."""
    almost, over = NOW + timedelta(minutes=59, seconds=59), NOW + timedelta(hours=1)
    passport.verify(BOUND, KEY.public_key(), SHA256, almost)
    with pytest.raises(passport.PassportError, match="expired"):
        passport.verify(BOUND, KEY.public_key(), SHA256, over)
