"""Commands in the store: sent, given out, receipted once, expired visibly."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import insert, select

from lockgate.controller.refusals import Refusal, RefusalReason
from lockgate.controller.store.schema import agents, alerts
from lockgate.controller.stream import beats, commands, states
from lockgate.controller.stream.hub import Heard
from lockgate.controller.stream.schema import agent_states
from lockgate.controller.stream.schema import commands as table
from lockgate.v1 import agent_pb2 as pb
from lockgate.wire import convert
from lockgate.wire.agent import (
    AgentHealth,
    CommandOutcome,
    CommandReceipt,
    GuardState,
    QuarantineFile,
    Release,
)
from lockgate.wire.ids import uuid7
from lockgate.wire.transfer import FileIdentity, Zone

HOUR = timedelta(hours=1)


class Store:
    """A store with one transaction for each call."""

    def __init__(self, engine, ledger, now):
        self.engine, self.ledger, self.now = engine, ledger, now

    def do(self, work, *arguments, **named):
        """Run ``work(connection, ...)``."""
        with self.engine.begin() as connection:
            return work(connection, *arguments, **named)

    def send(self, host="host-1", action=None, life=HOUR):
        """Send a command."""
        action = action or Release(uuid7())
        return self.do(commands.send, self.ledger, host, action, self.now, by="person-1", life=life)

    def receipt(self, command_id, outcome=CommandOutcome.DONE, host="host-1"):
        """An agent's receipt."""
        receipt = CommandReceipt(command_id, outcome, self.now, "as told")
        return self.do(commands.receipted, self.ledger, host, receipt, self.now)

    def row(self, command_id):
        """What is kept of a command."""
        return self.do(
            lambda c: c.execute(select(table).where(table.c.command_id == command_id)).one()
        )

    def alerts(self):
        """The events of the outbox."""
        rows = self.do(lambda c: c.execute(select(alerts.c.event).order_by(alerts.c.id)).all())
        return [json.loads(row.event)["unmapped"]["lockgate"]["event"] for row in rows]


@pytest.fixture
def store(engine, remembering_ledger, samples):
    """An empty one."""
    return Store(engine, remembering_ledger, samples.now)


def test_a_command_waits_until_its_receipt(store):
    """In the order in which commands were sent, for their host only."""
    first, second, other = store.send(), store.send(), store.send("host-2")
    told = store.do(commands.waiting_for, "host-1")
    assert list(told) == [first, second]
    read = convert.command_from_wire(pb.Command.FromString(told[first]))
    assert (read.command_id, read.expire_time) == (first, store.now + HOUR)
    assert store.do(commands.undelivered) == {
        first: "host-1",
        second: "host-1",
        other: "host-2",
    }
    store.do(commands.delivered, [first], store.now)
    assert first not in store.do(commands.undelivered)
    assert first in store.do(commands.waiting_for, "host-1")
    assert store.receipt(first) is None
    assert list(store.do(commands.waiting_for, "host-1")) == [second]
    assert store.row(first).outcome == "done"


def test_a_receipt_counts_once(store):
    """The same again is no second entry and changes nothing."""
    command = store.send()
    store.receipt(command)
    store.receipt(command, CommandOutcome.FAILED)
    assert store.row(command).outcome == "done"
    assert store.ledger.kinds() == ["command", "command-receipt"]


def test_a_receipt_of_another_host_is_refused(store):
    """An agent speaks for its own commands only."""
    command = store.send()
    refusal = store.receipt(command, host="host-2")
    assert isinstance(refusal, Refusal)
    assert refusal.reason is RefusalReason.WRONG_HOST
    assert store.row(command).outcome is None


def test_a_receipt_of_a_command_that_is_not_known_is_recorded(store):
    """A store that was restored may have lost it; the agent may forget it all the same."""
    assert store.receipt(uuid7()) is None
    assert store.ledger.entries[-1]["known"] is False


def test_what_nobody_did_in_time_expires_with_an_alert(store):
    """And a receipt that comes later is recorded as late."""
    command = store.send()
    store.now += HOUR - timedelta(seconds=1)
    assert store.do(commands.expire, store.ledger, store.now) == 0
    store.now += timedelta(seconds=1)
    assert store.do(commands.expire, store.ledger, store.now) == 1
    assert store.do(commands.expire, store.ledger, store.now) == 0
    assert store.row(command).outcome == "expired"
    assert store.do(commands.waiting_for, "host-1") == {}
    store.receipt(command)
    assert store.row(command).outcome == "done"
    assert store.ledger.entries[-1]["late"] is True
    assert store.ledger.kinds() == ["command", "command-expired", "command-receipt"]
    assert store.alerts() == ["command-expired"]


def test_the_ledger_names_no_path(store):
    """Neither the one of a command nor what an agent says of it."""
    identity = FileIdentity(1, 2, 3, 4, 5)
    command = store.send(action=QuarantineFile(uuid7(), Zone("z"), "/zone/of-jane", identity))
    store.receipt(command)
    assert "jane" not in json.dumps(store.ledger.entries)
    assert "as told" not in json.dumps(store.ledger.entries)
    assert store.ledger.entries[0]["by"] == "person-1"


def opened(store, host="host-1"):
    """Open a stream; the last heartbeat."""
    known = select(agents.c.host).where(agents.c.host == host)
    if store.do(lambda c: c.execute(known).first()) is None:
        store.do(lambda c: c.execute(insert(agents).values(host=host, enrolled_at=0)))
    return store.do(states.opened, store.ledger, host, "1.0", (), store.now)


def heard(store, sequence, micros, **more):
    """Keep one heartbeat."""
    told = {"host-1": Heard(sequence, micros, **more)}
    store.do(states.keep, store.ledger, told, store.now)


def test_the_number_of_the_last_heartbeat_is_kept(store):
    """So that the next stream goes on from it, whichever controller serves it."""
    assert opened(store) == 0
    heard(store, 9, 77)
    assert opened(store) == 9


def test_health_is_an_entry_when_it_changes(store):
    """The same again is none."""
    opened(store)
    good = AgentHealth(GuardState.ENFORCING, (), (), "a" * 64)
    bad = AgentHealth(GuardState.BLIND, ("no mark",), (), "a" * 64)
    for health in (good, good, bad, good):
        heard(store, 1, 1, health=health)
    told = [e["state"] for e in store.ledger.entries if e["kind"] == "agent-health"]
    assert told == ["enforcing", "blind", "enforcing"]


def test_silence_is_recorded_unless_somebody_heard_the_agent(store):
    """Another controller may have, meanwhile."""
    opened(store)
    heard(store, 1, 100)
    assert store.do(states.silent, store.ledger, {"host-1": 99}, store.now) == 0
    marks = dict(store.do(states.marks))
    assert marks == {"host-1": 100}
    assert store.do(states.silent, store.ledger, marks, store.now) == 1
    assert store.do(states.silent, store.ledger, marks, store.now) == 0
    assert store.do(states.marks) == []
    opened(store)
    assert store.alerts() == ["silence", "silence-ended"]
    row = store.do(lambda c: c.execute(select(agent_states)).one())
    assert row.silent_since is None


def test_missing_heartbeats_are_entries_and_alerts(store):
    """With their numbers."""
    opened(store)
    heard(store, 9, 1, odd=[beats.Missing(2, 8), beats.Rewound(9, 3)])
    assert [e["kind"] for e in store.ledger.entries[1:]] == ["heartbeat-gap", "heartbeat-rewound"]
    assert store.alerts() == ["heartbeat-gap", "heartbeat-rewound"]
