"""People: roles, passwords, logins, and what a call of a person leaves in the ledger."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

sys.path.insert(0, str(Path(__file__).parents[2] / "fakes"))

from people import PASSWORD, LoggedIn, join, log_in, target_of

from lockgate.controller import api, clock, setup
from lockgate.controller.ledger import Ledger
from lockgate.controller.people import identity, passwords, people
from lockgate.controller.people.calls import MOST_VIEWS, PersonCalls
from lockgate.controller.people.cli import PasswordError, read_password
from lockgate.controller.people.roles import Role, from_text, is_name, to_text
from lockgate.controller.people.schema import person_logins
from lockgate.controller.people.service import MOST_WAITING, LoginService, _Known
from lockgate.controller.refusals import RefusalReason
from lockgate.controller.retention import erasure
from lockgate.controller.retention.changes import ErasureChange
from lockgate.controller.store.reading import alerts_of
from lockgate.v1 import person_pb2, person_pb2_grpc
from lockgate.wire.channels import PinError

NOBODY = RefusalReason.PERSON_UNKNOWN


@given(st.frozensets(st.sampled_from(Role)))
def test_roles_survive_the_store(roles):
    """Whatever somebody may do, they may do after it was written and read."""
    assert from_text(to_text(roles)) == roles


@given(st.text(max_size=80))
def test_a_name_never_needs_an_escape(name):
    """What is taken as a name stands in a URI as it is."""
    if is_name(name):
        assert name.isascii()
        assert not set(name) & set("/%?# :@")


def test_a_password_is_kept_as_argon2id_and_nothing_else_opens():
    """The parameters stand in the text; salts differ."""
    kept = passwords.hashed(PASSWORD)
    assert kept.startswith("$argon2id$")
    assert kept != passwords.hashed(PASSWORD)
    assert passwords.is_right(PASSWORD, kept)
    assert not passwords.is_right(PASSWORD + "x", kept)
    assert not passwords.is_right(PASSWORD, None)
    assert not passwords.is_right(PASSWORD, "no hash")


def test_a_short_password_is_not_taken():
    """Eleven characters are too few."""
    with pytest.raises(ValueError, match="12 characters"):
        passwords.hashed("a" * 11)


def test_trials_of_one_name_wait_after_five_failures():
    """A minute for each more; a success forgets; other names are free."""
    trials = passwords.Trials()
    assert all(trials.begin("anna", 0) for _ in range(5))
    assert not trials.begin("anna", 59)
    assert trials.begin("berta", 0)
    assert trials.begin("anna", 60)
    assert not trials.begin("anna", 119)
    trials.succeeded("anna")
    assert trials.begin("anna", 120)


def test_more_logins_than_can_wait_are_sent_away():
    """Before a password is looked at; the peer is told to come back."""
    login = LoginService(None, None, None, timedelta(hours=1))
    login._waiting = MOST_WAITING
    refused = asyncio.run(login._log_in(person_pb2.LogInRequest(name="anna"), _Known()))
    assert refused.reason is RefusalReason.OVERLOAD
    assert refused.retry_ms > 0


def test_more_views_than_can_wait_are_sent_away():
    """Without a look into the store; those who wait get theirs."""
    calls, shown = PersonCalls(None, None, None, "test"), []
    calls._viewing = MOST_VIEWS
    refused = asyncio.run(calls._view(lambda: shown.append(1)))
    assert (refused.reason, shown) == (RefusalReason.OVERLOAD, [])
    calls._viewing = 0
    assert asyncio.run(calls._view(lambda: b"seen")) == b"seen"
    assert calls._viewing == 0


def test_a_password_that_was_changed_while_it_was_tried_opens_nothing(engine, remembering_ledger):
    """Nor does one of somebody who was removed, or removed and added again."""
    login = LoginService(None, remembering_ledger, None, timedelta(hours=1))
    request, now = person_pb2.LogInRequest(name="anna"), clock.now()
    with engine.begin() as connection:
        old = people.put(connection, remembering_ledger, "anna", frozenset({Role.VIEWER}), now)
        people.set_password(connection, remembering_ledger, old, "old", now)
        tried = _Known()
        tried.read(connection, "anna")
        people.set_password(connection, remembering_ledger, old, "new", now)
        assert login._issue(connection, request, tried, now).reason is RefusalReason.LOGIN
        people.remove(connection, remembering_ledger, old, now)
        assert login._issue(connection, request, tried, now).reason is RefusalReason.LOGIN
        new = people.put(connection, remembering_ledger, "anna", frozenset({Role.VIEWER}), now)
        people.set_password(connection, remembering_ledger, new, "old", now)
        assert login._issue(connection, request, tried, now).reason is RefusalReason.LOGIN


def test_a_login_belongs_to_a_person_and_not_to_a_name(engine, remembering_ledger):
    """It ends with the person or the password; who has the name next did not log in."""
    ledger, now = remembering_ledger, clock.now()
    roles = frozenset({Role.ADMINISTRATOR})
    with engine.begin() as connection:
        for ending in (people.remove, lambda *given: people.set_password(*given[:3], "h", now)):
            anna = people.put(connection, ledger, "anna", roles, now)
            until = now + timedelta(hours=1)
            people.note_login(connection, ledger, anna, "5e71a1", now, until)
            caller = identity.Caller("anna", "5e71a1")
            assert identity.admitted(connection, caller, roles) == anna
            other = identity.Caller("berta", "5e71a1")
            assert identity.admitted(connection, other, roles).reason is NOBODY
            ending(connection, ledger, anna, now)
            people.put(connection, ledger, "anna", roles, now)
            assert identity.admitted(connection, caller, roles).reason is NOBODY


def test_logins_that_have_expired_are_forgotten(engine, remembering_ledger):
    """At the next login of anybody."""
    ledger, now = remembering_ledger, clock.now()
    with engine.begin() as connection:
        anna = people.put(connection, ledger, "anna", frozenset({Role.VIEWER}), now)
        for hours in (0, 2):
            at = now + timedelta(hours=hours)
            people.note_login(connection, ledger, anna, f"{hours}", at, at + timedelta(hours=1))
        assert connection.execute(select(person_logins.c.serial)).scalars().all() == ["2"]


def test_one_of_the_last_administrators_is_not_erased(engine, remembering_ledger):
    """Nobody could approve anything then; somebody erased is none of them."""
    ledger, now = remembering_ledger, clock.now()
    with engine.begin() as connection:
        made = [
            people.put(connection, ledger, name, frozenset({Role.ADMINISTRATOR}), now)
            for name in ("anna", "berta", "carla")
        ]
        contents = [json.dumps({"person": person.id}).encode() for person in made]
        assert ErasureChange().check(connection, contents[0]) is None
        erasure.of_person(connection, made[0].id)
        assert people.administrators(connection) == 2
        refused = ErasureChange().check(connection, contents[1])
        assert refused.reason is RefusalReason.CONFLICT
        assert ErasureChange().check(connection, contents[0]) is None


@pytest.fixture
def anna(controller, tmp_path) -> LoggedIn:
    """An administrator."""
    return join(controller, tmp_path, "anna", Role.ADMINISTRATOR)


def everybody(person: LoggedIn) -> person_pb2.ListPeopleResponse:
    """What somebody is told of people."""
    stub = person_pb2_grpc.PersonServiceStub(person.channel)
    return stub.ListPeople(person_pb2.ListPeopleRequest(), timeout=10)


def test_a_login_is_a_certificate_for_the_api(controller, anna):
    """The view is in the ledger under the person's id, and the name is nowhere in it."""
    (person,) = everybody(anna).people
    assert (person.name, person.person_id) == ("anna", anna.person.id)
    views = [entry for entry in controller.entries() if entry["kind"] == "view"]
    assert [view["person"] for view in views] == [anna.person.id]
    assert "anna" not in str(controller.entries())
    assert (anna.login / "key.pem").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(("name", "password"), [("anna", "wrong password"), ("zora", PASSWORD)])
def test_a_wrong_login_is_refused_and_recorded(controller, anna, tmp_path, name, password):
    """A name that is not there gets the same answer; neither word is in the ledger."""
    with pytest.raises(grpc.RpcError) as refused:
        api.log_in(target_of(controller), name, password, tmp_path / "none")
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert refused.value.details() == "login: The name or the password is wrong."
    assert not (tmp_path / "none").exists()
    entry = controller.entries()[-1]
    assert entry["reason"] == "login"
    assert (anna.person.id in entry["peer"]) is (name == "anna")
    assert "zora" not in str(controller.entries())


def test_a_server_with_another_ca_gets_no_password(controller, tmp_path):
    """The pin is checked before anything is sent."""
    target = api.Target(controller.addresses["enrol"], "0" * 64, controller.addresses["grpc"])
    with pytest.raises(PinError):
        api.log_in(target, "anna", PASSWORD, tmp_path / "none")


def test_who_was_removed_is_nobody_on_the_connection_they_hold(controller, anna):
    """The certificate is still good, the call is refused."""
    stub = person_pb2_grpc.PersonServiceStub(anna.channel)
    stub.ListPeople(person_pb2.ListPeopleRequest(), timeout=10)
    setup.write(controller.settings, lambda c: people.remove(c, Ledger(), anna.person, clock.now()))
    with pytest.raises(grpc.RpcError) as refused:
        stub.ListPeople(person_pb2.ListPeopleRequest(), timeout=10)
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    with pytest.raises(grpc.RpcError):
        log_in(controller, anna.login.parent, anna.person)


def test_an_agent_is_no_person(controller, agent):
    """A host's certificate opens nothing that people are shown."""
    stub = person_pb2_grpc.PersonServiceStub(agent.channel)
    with pytest.raises(grpc.RpcError) as refused:
        stub.ListPeople(person_pb2.ListPeopleRequest(), timeout=10)
    assert refused.value.details().startswith("person-unknown")


def test_a_person_is_no_agent(anna, agent, samples):
    """A person's certificate decides nothing for a host."""
    agent.channel, agent.stub = anna.channel, type(agent.stub)(anna.channel)
    with pytest.raises(grpc.RpcError) as refused:
        agent.ask(samples.transfer(), samples.report())
    assert refused.value.details().startswith("identity-unknown")


def test_the_commands_say_who_is_there(controller, anna, tmp_path):
    """As a table and as JSON; without a login one line says what to do."""
    assert "administrator" in anna.run("person", "list").stdout
    assert f'"id": "{anna.person.id}"' in anna.run("person", "list", "--json").stdout
    nobody = LoggedIn(anna.person, tmp_path / "nothing").run("person", "list")
    assert nobody.returncode == 2
    assert nobody.stderr.count("\n") == 1
    assert "lockgate login" in nobody.stderr


@pytest.mark.parametrize("typed", [b"\xff\xfe12345678901\n", b"x" * 5000])
def test_a_password_that_cannot_be_sent_is_refused_without_being_shown(monkeypatch, typed):
    """In one line, before anything is sent."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(typed), "utf-8"))
    with pytest.raises(PasswordError) as refused:
        read_password(from_stdin=True)
    assert "xx" not in str(refused.value)
    assert "0xff" not in str(refused.value)


def test_a_login_that_others_could_change_is_not_used(tmp_path):
    """They could put their own controller's address and CA there."""
    login = tmp_path / "login"
    login.mkdir()
    for name in ("ca.pem", "chain.pem", "key.pem", "address"):
        (login / name).write_bytes(b"x")
    (login / "key.pem").chmod(0o600)
    for mode, said in ((0o770, "others may write"), (0o700, "cannot be read")):
        login.chmod(mode)
        with pytest.raises(api.LoginError, match=said):
            api._channel(login)
    (login / "address").write_bytes(b"\xff")
    with pytest.raises(api.LoginError, match="no login here"):
        api._channel(login)


def test_an_argument_that_is_no_text_is_one_line(tmp_path, monkeypatch, capsys):
    """Whatever bytes a shell hands over."""
    monkeypatch.setattr(api, "_channel", lambda login: nullcontext())
    with pytest.raises(typer.Exit) as ended, api.session(tmp_path, "person"):
        person_pb2.LogInRequest(name="\udcff")
    assert ended.value.exit_code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_first_two_administrators_are_added_on_the_host(controller, tmp_path):
    """From then on it takes one of them to propose and the other to approve."""
    runner = LoggedIn(None, tmp_path / "login")
    add = ("controller", "person", "add", "--dir", str(controller.state), "--password-stdin")
    for name in ("anna", "berta"):
        done = runner.run(*add, name, "--role", "administrator", stdin=PASSWORD + "\n")
        assert done.returncode == 0, done.stderr
    told = [row["event"]["unmapped"]["lockgate"] for row in controller.read(alerts_of, 10)]
    ids = [e["person"] for e in controller.entries() if e["kind"] == "person-password"]
    assert [one["person"] for one in told if one["event"] == "person-password"] == ids
    assert "anna" not in json.dumps(told)
    third = runner.run(*add, "carla", "--role", "viewer", stdin=PASSWORD + "\n")
    assert third.returncode == 2
    assert "lockgate person propose" in third.stderr
    target = target_of(controller)
    words = ("login", target.login, "anna", "--ca-sha256", target.ca_sha256, "--api", target.api)
    done = runner.run(*words, "--password-stdin", stdin=PASSWORD + "\n")
    assert done.returncode == 0, done.stderr
    assert "logged in as anna until 20" in done.stdout
    assert runner.run("person", "list").returncode == 0
