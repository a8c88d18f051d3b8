"""The queue and the runner, with a real store, a real web server and real commands."""

import asyncio
import base64
import hashlib
import hmac
import json
from datetime import date, timedelta

import pytest
from sqlalchemy import select
from tests.controller.alerts.web import WebServer

from lockgate.controller import clock
from lockgate.controller.changes.kinds import Approval
from lockgate.controller.hooks import queue
from lockgate.controller.hooks.change import RevokeChange, write
from lockgate.controller.hooks.queue import Cause, RunState
from lockgate.controller.hooks.runner import HookRunner
from lockgate.controller.hooks.schema import hook_runs
from lockgate.controller.hooks.settings import Hook, HookAction
from lockgate.controller.incidents import sightings
from lockgate.controller.incidents.sightings import Place
from lockgate.controller.refusals import RefusalReason
from lockgate.controller.registry.protected import ProtectedKeys
from lockgate.controller.store.schema import alerts
from lockgate.controller.store.writer import Writer
from lockgate.scan.protected import KeyRecord

PRINT = "sha256:" + "ab" * 32
SECRET = "a test secret of thirty bytes!"
KEYS = ProtectedKeys(
    {PRINT: "token-signing"},
    {PRINT: KeyRecord("identity team", ("signing",), "tokens", date(2026, 1, 1), "rotate it")},
)


class Desk:
    """A store, and runners on it that are stepped by hand."""

    def __init__(self, engine, ledger):
        self.engine, self.ledger = engine, ledger
        self.writer = Writer(engine, lambda: None)

    def runner(self, hook, who="controller-1"):
        """A runner as a fresh controller has it."""
        return HookRunner(hook, who, lambda: KEYS, self.engine, self.writer, self.ledger)

    def do(self, work):
        """One transaction."""
        with self.engine.begin() as connection:
            return work(connection)

    def put(self, hook, transfer_id=None):
        """Queue a run."""
        cause = Cause(PRINT, "opened", 7, transfer_id)
        self.do(lambda c: queue.put(c, hook, cause, clock.to_micros(clock.now())))

    def rows(self):
        """All runs."""
        return self.do(lambda c: c.execute(select(hook_runs).order_by(hook_runs.c.id)).all())

    def receipts(self):
        """The receipts in the ledger: attempt, status and state."""
        kept = [e for e in self.ledger.entries if e["kind"] == "hook-receipt"]
        return [(e["attempt"], e["status"], e["state"]) for e in kept]


@pytest.fixture
def desk(engine, remembering_ledger):
    """A store with nothing queued."""
    made = Desk(engine, remembering_ledger)
    yield made
    made.writer.close()


@pytest.fixture
def server(tmp_path):
    """A web server that answers as told, and a hook that posts to it."""
    running = []
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    secret.write_text(SECRET)

    def make(answer):
        running.append(WebServer(answer))
        url = f"http://127.0.0.1:{running[-1].port}/page?x=1"
        return running[-1], Hook("pager", url=url, secret_file=secret)

    yield make
    for one in running:
        one.close()


@pytest.fixture
def program(tmp_path):
    """A hook that is a command of shell lines; ``OUT`` in them is a folder."""

    def make(lines, **fields):
        path = tmp_path / "program"
        path.write_text("#!/bin/sh\n" + lines.replace("OUT", str(tmp_path)))
        path.chmod(0o700)
        return Hook("pager", command=(str(path),), **fields)

    return make


def step(runner):
    """One step of a runner."""
    return asyncio.run(runner.step())


def test_a_webhook_is_signed_and_tells_of_key_owner_and_places(desk, server, samples):
    """The header that names it is the idempotency key; the receipt is in the ledger."""
    web, hook = server(lambda _r: (204, b""))
    finding = samples.finding()
    place = Place("host-1", "debugging")
    desk.do(lambda c: sightings.record(c, samples.report(finding), place, frozenset(), 5))
    desk.put(hook, "transfer-1")
    days = {(clock.now().date() - date(2026, 1, 1)).days}
    assert step(desk.runner(hook))
    days |= {(clock.now().date() - date(2026, 1, 1)).days}
    (request,) = web.requests
    (row,) = desk.rows()
    told = json.loads(request.body)
    assert request.path == "/page?x=1"
    assert request.headers["webhook-id"] == told["idempotency_key"] == row.uid
    signed = f"{row.uid}.{request.headers['webhook-timestamp']}.".encode() + request.body
    digest = hmac.digest(SECRET.encode(), signed, hashlib.sha256)
    assert request.headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()
    assert (told["attempt"], told["action"], told["cause"]) == (1, "page", "opened")
    assert told["key"]["name"] == "token-signing"
    assert (told["key"]["owner"], told["key"]["on_leak"]) == ("identity team", "rotate it")
    assert told["key"]["age_days"] in days
    assert [(p["host"], p["zone"]) for p in told["places"]] == [("host-1", "debugging")]
    assert told["incident"]["sightings"] == 1
    assert (row.state, row.status, row.receipt_index) == (RunState.DONE.value, 204, 0)
    assert desk.receipts() == [(1, 204, "done")]
    assert not step(desk.runner(hook))


def test_a_failure_is_repeated_with_the_same_key_until_it_succeeds(desk, server):
    """A receiver that is not well, then one that is; one alert for the first failure."""
    answers = iter([(500, b"no"), (503, b""), (200, b"")])
    web, hook = server(lambda _r: next(answers))
    desk.put(hook)
    for _ in range(3):
        assert step(desk.runner(hook))
    assert len({request.headers["webhook-id"] for request in web.requests}) == 1
    assert [json.loads(request.body)["attempt"] for request in web.requests] == [1, 2, 3]
    marks = [request.headers.get("lockgate-repeated") for request in web.requests]
    assert marks == [None, "possible", "possible"]
    assert desk.receipts() == [(1, 500, "waiting"), (2, 503, "waiting"), (3, 200, "done")]
    events = desk.do(lambda c: [json.loads(e) for e in c.execute(select(alerts.c.event)).scalars()])
    assert [e["unmapped"]["lockgate"]["event"] for e in events] == ["hook-failed"]


def test_a_run_that_failed_rests_while_others_go_on(desk, server):
    """The same runner does not try it again at once."""
    answers = iter([(500, b"")])
    _, hook = server(lambda _r: next(answers, (200, b"")))
    desk.put(hook)
    desk.put(hook)
    runner = desk.runner(hook)
    assert [step(runner) for _ in range(3)] == [True, True, False]
    assert [row.state for row in desk.rows()] == ["waiting", "done"]


def test_what_is_refused_for_good_ends_visibly(desk, server):
    """As an alert's dead letter."""
    _, hook = server(lambda _r: (422, b"no such field"))
    desk.put(hook)
    assert step(desk.runner(hook))
    assert not step(desk.runner(hook))
    (row,) = desk.rows()
    assert (row.state, row.status) == ("refused", 422)
    assert "no such field" in row.error
    assert "no such field" not in str(desk.ledger.entries)


def test_a_receiver_that_is_away_is_tried_again(desk, server):
    """Nothing is given up."""
    web, hook = server(lambda _r: (200, b""))
    web.close()
    desk.put(hook)
    assert step(desk.runner(hook))
    assert desk.receipts() == [(1, None, "waiting")]


def test_a_command_gets_the_same_input(desk, program, tmp_path):
    """Its exit code is the receipt."""
    hook = program("cat >OUT/in; [ -e OUT/second ] || { touch OUT/second; exit 9; }")
    desk.put(hook)
    step(desk.runner(hook))
    first = json.loads((tmp_path / "in").read_text())
    step(desk.runner(hook))
    second = json.loads((tmp_path / "in").read_text())
    assert (first.pop("attempt"), second.pop("attempt")) == (1, 2)
    assert first == second
    assert desk.receipts() == [(1, 9, "waiting"), (2, 0, "done")]


def test_a_run_that_was_cut_off_runs_again_at_once_for_the_same_controller(desk, program):
    """Between claim and receipt: same key, next attempt."""
    hook = program("exit 0")
    desk.put(hook)
    patience = timedelta(minutes=5)
    cut = desk.do(lambda c: queue.claim(c, hook, "controller-1", clock.now(), patience, ()))
    assert not step(desk.runner(hook, "controller-2"))
    assert step(desk.runner(hook, "controller-1"))
    (row,) = desk.rows()
    assert (row.uid, row.attempts, row.state) == (cut.uid, 2, "done")


def test_another_controller_takes_a_run_over_when_its_claim_is_over(desk, program):
    """Two controllers never run it at the same time before that."""
    hook = program("exit 0")
    desk.put(hook)
    early = clock.now() - timedelta(minutes=10)
    desk.do(lambda c: queue.claim(c, hook, "controller-1", early, timedelta(minutes=5), ()))
    assert step(desk.runner(hook, "controller-2"))
    assert desk.receipts() == [(2, 0, "done")]


def test_a_hook_that_revokes_waits_for_people(desk, program):
    """It runs once it was confirmed, and the receipt names the change."""
    hook = program("exit 0", action=HookAction.REVOKE)
    desk.put(hook)
    desk.put(hook)
    assert not step(desk.runner(hook))
    kind, content, approval = RevokeChange(), write(PRINT), Approval("change-1", "a", "b")
    assert desk.do(lambda c: kind.check(c, content)) is None
    desk.do(lambda c: kind.apply(c, desk.ledger, content, approval, clock.now()))
    assert desk.ledger.entries[-1]["by"] == ["a", "b"]
    assert step(desk.runner(hook))
    assert not step(desk.runner(hook))
    (row,) = desk.rows()
    assert (row.state, row.change_id) == ("done", "change-1")
    assert desk.do(lambda c: kind.check(c, content)).reason is RefusalReason.CONFLICT


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b"[" * 100_000])
def test_a_wrong_confirmation_is_refused(desk, content):
    """As malformed."""
    refusal = desk.do(lambda c: RevokeChange().check(c, content))
    assert refusal.reason is RefusalReason.MALFORMED


def test_a_fault_of_ours_is_a_failed_attempt(desk, server, monkeypatch):
    """The controller goes on, and the run is not lost."""
    _, hook = server(lambda _r: (200, b""))
    monkeypatch.setattr("lockgate.controller.hooks.webhook.read_secret", lambda _p: 1 / 0)
    desk.put(hook)
    assert step(desk.runner(hook))
    assert desk.receipts() == [(1, None, "waiting")]
