"""Delivery: order, retries with back-off, dead letters, independent destinations."""

import asyncio

import pytest
from sqlalchemy import select

from lockgate.controller.alerts import outbox
from lockgate.controller.alerts.delivery import Delivery
from lockgate.controller.alerts.sink import RejectedError, UnreachableError
from lockgate.controller.store import reading
from lockgate.controller.store.database import open_reader
from lockgate.controller.store.lease import AllLeases
from lockgate.controller.store.schema import dead_letters
from lockgate.controller.store.writer import Writer


class ScriptedSink:
    """Fails as told, and keeps what it acknowledged."""

    confirms = True

    def __init__(self, name="sink"):
        self.name = name
        self.got = []
        self.down = 0
        self.refuses = set()
        self.breaks_at = set()

    def deliver(self, batch):
        """Acknowledge, fail or refuse as told."""
        if self.down:
            self.down -= 1
            raise UnreachableError("connection refused")
        for alert in batch:
            if alert.uid in self.breaks_at:
                self.breaks_at.remove(alert.uid)
                raise UnreachableError("connection reset", alert.id - 1)
            if alert.uid in self.refuses:
                raise RejectedError(alert, "too large")
            if alert.uid not in self.got:
                self.got.append(alert.uid)


@pytest.fixture
def store(engine, place):
    """A writer and a reader of one empty store."""
    writer = Writer(engine, lambda: None)
    reader = open_reader(place)
    yield writer, reader
    writer.close()


def fill(writer, count, start=0):
    """Put alerts into the outbox; their uids."""
    made = [f"uid-{n}" for n in range(start, start + count)]
    for uid in made:
        event = {"metadata": {"uid": uid}}
        writer.submit(lambda c, e=event: outbox.put(c, e, 1, 1)).result(60)
    return made


def know(writer, *names):
    """Make destinations known."""
    for name in names:
        writer.submit(lambda c, n=name: outbox.add_destination(c, n)).result(60)


def step(delivery, times=1):
    """Run steps of a delivery; their pauses."""

    async def steps():
        return [await delivery.step() for _ in range(times)]

    return asyncio.run(steps())


def test_a_sink_that_breaks_is_a_failure_of_its_destination(store):
    """A fault of ours or of its settings is shown without its words, and the alert comes later."""
    writer, reader = store
    made = fill(writer, 1)
    sink = ScriptedSink()
    faults = [ValueError("Invalid header value b'Splunk secret'"), RecursionError()]
    deliver = sink.deliver

    def breaks(batch):
        if faults:
            raise faults.pop()
        deliver(batch)

    sink.deliver = breaks
    delivery = Delivery(sink, reader, writer, AllLeases().holds)
    pauses = step(delivery, 2)
    with reader.connect() as connection:
        (status,) = reading.deliveries(connection)
    assert (status["failures"], status["error"]) == (2, "the sink broke: ValueError")
    assert pauses[0] > 0
    step(delivery)
    assert sink.got == made


def test_alerts_arrive_in_order_and_once(store):
    """Everything in the outbox arrives in its order; nothing comes again."""
    writer, reader = store
    know(writer, "sink")
    sink = ScriptedSink()
    made = fill(writer, 7)
    delivery = Delivery(sink, reader, writer, AllLeases().holds)
    step(delivery, 2)
    made += fill(writer, 3, start=7)
    step(delivery, 2)
    assert sink.got == made


def test_an_unreachable_destination_gets_the_same_batch_later(store):
    """Nothing is skipped; waits double up to a minute; the failure is visible until it is over."""
    writer, reader = store
    know(writer, "sink")
    sink = ScriptedSink()
    sink.down = 9
    made = fill(writer, 3)
    delivery = Delivery(sink, reader, writer, AllLeases().holds)
    assert step(delivery, 9) == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    with reader.connect() as connection:
        status = reading.deliveries(connection)[0]
    assert (status["failures"], status["error"], status["delivered_up_to"]) == (
        9,
        "connection refused",
        0,
    )
    assert step(delivery) == [0.0]
    assert sink.got == made
    with reader.connect() as connection:
        status = reading.deliveries(connection)[0]
    assert (status["failures"], status["error"], status["delivered_up_to"]) == (0, None, 3)


def test_what_was_acknowledged_before_a_failure_does_not_come_again(store):
    """The cursor goes as far as the destination has said, and the failure stays visible."""
    writer, reader = store
    sink = ScriptedSink()
    made = fill(writer, 5)
    sink.breaks_at = {made[3]}
    delivery = Delivery(sink, reader, writer, AllLeases().holds)
    assert step(delivery) == [0.5]
    with reader.connect() as connection:
        status = reading.deliveries(connection)[0]
    assert (status["delivered_up_to"], status["failures"], status["error"]) == (
        3,
        1,
        "connection reset",
    )
    sink.got.clear()
    step(delivery)
    assert sink.got == made[3:]


def test_what_nobody_confirms_is_shown_so(store):
    """Sent is not delivered."""
    writer, reader = store
    sink = ScriptedSink()
    sink.confirms = False
    fill(writer, 1)
    step(Delivery(sink, reader, writer, AllLeases().holds))
    with reader.connect() as connection:
        assert reading.deliveries(connection)[0]["confirms"] is False
        assert reading.alerts_of(connection, 1)[0]["delivery"] == {"sink": "sent, unconfirmed"}


def test_a_refused_alert_becomes_a_dead_letter_and_the_rest_goes_on(store):
    """One alert that will never be accepted does not block the ones behind it."""
    writer, reader = store
    know(writer, "sink")
    sink = ScriptedSink()
    made = fill(writer, 5)
    sink.refuses = {made[2]}
    step(Delivery(sink, reader, writer, AllLeases().holds), 3)
    assert sink.got == [uid for uid in made if uid != made[2]]
    with reader.connect() as connection:
        row = connection.execute(select(dead_letters)).one()
        shown = reading.alerts_of(connection, 10)
    assert (row.alert_id, row.error) == (3, "too large")
    assert [a["delivery"]["sink"] for a in shown] == ["delivered"] * 2 + ["dead"] + [
        "delivered"
    ] * 2


def test_destinations_have_their_own_cursors(store):
    """One destination being down does not hold up another, nor does a late one miss anything."""
    writer, reader = store
    know(writer, "down", "up")
    down, up = ScriptedSink("down"), ScriptedSink("up")
    down.down = 1
    made = fill(writer, 4)
    step(Delivery(down, reader, writer, AllLeases().holds))
    step(Delivery(up, reader, writer, AllLeases().holds))
    assert (down.got, up.got) == ([], made)
    know(writer, "late", "up")
    late = ScriptedSink("late")
    step(Delivery(late, reader, writer, AllLeases().holds))
    assert late.got == made


def test_running_delivery_survives_until_cancelled(store):
    """The task registers its destination by itself and drains what comes."""
    writer, reader = store
    sink = ScriptedSink()

    async def run():
        task = asyncio.create_task(Delivery(sink, reader, writer, AllLeases().holds).run())
        made = await asyncio.to_thread(fill, writer, 2)
        for _ in range(1200):
            if sink.got == made:
                break
            await asyncio.sleep(0.05)
        task.cancel()
        return made

    assert asyncio.run(run()) == sink.got
