"""A desk where files are stopped, released and moved, without a server."""

import json
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import select

from lockgate.controller import records
from lockgate.controller.people import people
from lockgate.controller.people.roles import Role
from lockgate.controller.records import Decided
from lockgate.controller.refusals import Refusal
from lockgate.controller.release import cases
from lockgate.controller.release.deadlines import Deadlines, Moment
from lockgate.controller.release.effects import Effects
from lockgate.controller.release.looking import look
from lockgate.controller.release.releases import Releases
from lockgate.controller.release.states import Action
from lockgate.controller.store.schema import alerts
from lockgate.controller.stream.schema import commands
from lockgate.policy import decide, default_policy
from lockgate.v1 import agent_pb2
from lockgate.wire import convert
from lockgate.wire.ids import uuid7
from lockgate.wire.transfer import Enforcement, Receipt, Verdict

STAFF = {
    "ena": {Role.ENGINEER},
    "zoe": {Role.ZONE_OWNER},
    "sec": {Role.SECURITY},
    "ona": {Role.ON_CALL},
    "zac": {Role.ZONE_OWNER, Role.SECURITY, Role.ON_CALL},
    "adm": {Role.ADMINISTRATOR},
}


class Desk:
    """A store with a staff, and the decision service's units of work. Time is ``now``."""

    def __init__(self, engine, ledger, now):
        self.engine, self.ledger, self.now = engine, ledger, now
        self.policy, self.protect = default_policy(), lambda report: report
        self.effects, self.deadlines = Effects(ledger), Deadlines(ledger, None)
        self.releases = Releases(ledger, self)
        with engine.begin() as connection:
            self.staff = {
                name: people.put(connection, ledger, name, frozenset(roles), now)
                for name, roles in STAFF.items()
            }

    def judge(self, seen, transfer, now):
        """What the policy in force says, as the gate does it."""
        report = self.protect(seen)
        return SimpleNamespace(report=report, decision=decide(report, transfer, self.policy, now))

    def ask(self, transfer, report):
        """The decision about a transfer, written down."""
        judged = self.judge(report, transfer, self.now)
        message = convert.report_to_wire(report).SerializeToString()
        fixed = (transfer, judged.report)
        with self.engine.begin() as connection:
            looked = look(connection, transfer, report.sha256)
            given = self.effects.on_verdict(connection, *fixed, judged.decision, looked, self.now)
            made = Decided(uuid7(), *fixed, message, given, self.now, timedelta(minutes=5))
            index = records.record_verdict(connection, self.ledger, made)
            self.effects.after_verdict(connection, made, looked, index)
        return given

    def tell(self, transfer, enforcement, verdict=Verdict.BLOCK, **more):
        """A receipt of the agent."""
        fields = {"opener": transfer.opener, "path": transfer.path, **more}
        done = Receipt(transfer.transfer_id, verdict, enforcement, None, 0, self.now, **fields)
        with self.engine.begin() as connection:
            about = {"host": transfer.host, "request_id": uuid7(), "now": self.now}
            records.record_receipt(connection, self.ledger, done, **about)
            self.effects.on_receipt(connection, done, transfer.host, self.now)

    def request(self, transfer, by="ena"):
        """Somebody asks for a release."""
        with self.engine.begin() as connection:
            given = (transfer.transfer_id, "needed in the lab", self.staff[by], self.now)
            return self.releases.request(connection, *given)

    def vote(self, release, by, action=Action.APPROVE):
        """Somebody votes or breaks the glass."""
        with self.engine.begin() as connection:
            given = (action, f"grounds of {self.staff[by].id}", self.staff[by], self.now)
            return self.releases.vote(connection, release.id, *given)

    def withdraw(self, release, by="ena"):
        """Somebody takes it back."""
        with self.engine.begin() as connection:
            return self.releases.withdraw(connection, release.id, self.staff[by], self.now)

    def look(self, after=timedelta(), jumped=timedelta()):
        """The look for what is overdue, so much later; the wall clock jumped besides."""
        before = Moment(self.now, 0.0)
        self.now += after + jumped
        with self.engine.begin() as connection:
            now = Moment(self.now, after.total_seconds())
            return self.deadlines.look(connection, before, now)

    def approved(self, transfer):
        """A release of the transfer that two others approved."""
        release = self.request(transfer)
        assert not isinstance(release, Refusal), release
        self.vote(release, "zoe")
        return self.vote(release, "sec")

    def state(self, release):
        """The state of a release as the store has it."""
        with self.engine.begin() as connection:
            return cases.read(connection, release.id).case.state.value

    def commands(self):
        """What the agents were told to do."""
        with self.engine.begin() as connection:
            rows = connection.execute(select(commands).order_by(commands.c.command_id)).all()
        return [agent_pb2.Command.FromString(bytes(row.body)) for row in rows]

    def events(self, kind):
        """What was told to the outside of one kind of event, in order."""
        with self.engine.begin() as connection:
            rows = connection.execute(select(alerts.c.event).order_by(alerts.c.id)).scalars()
            events = [json.loads(text) for text in rows]
        return [e for e in events if e["unmapped"]["lockgate"].get("event") == kind]

    def entries(self, prefix):
        """The ledger's entries of kinds that begin so."""
        return [entry for entry in self.ledger.entries if entry["kind"].startswith(prefix)]


@pytest.fixture
def desk(engine, remembering_ledger, samples):
    """A desk with an empty store."""
    return Desk(engine, remembering_ledger, samples.now)


@pytest.fixture
def stopped(desk, samples):
    """A file with a private key that was stopped, and how it is seen again: (first, again)."""
    report = samples.report(samples.finding())
    first = samples.transfer()
    assert desk.ask(first, report).verdict is Verdict.BLOCK
    desk.tell(first, Enforcement.DENIED)

    def again(**changes):
        """Another attempt: its transfer, and what is decided."""
        transfer = samples.transfer(**{k: v for k, v in changes.items() if k != "report"})
        return transfer, desk.ask(transfer, changes.get("report", report))

    return SimpleNamespace(first=first, report=report, again=again, replace=replace)
