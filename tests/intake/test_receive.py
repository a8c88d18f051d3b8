"""Taking one core in: bounded whatever comes, and the crashed process is let go."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
from cores import a_crash, core, stream_of

from lockgate.agent.intake.entry import Entry, State, Why
from lockgate.agent.intake.loops import CrashLoops
from lockgate.agent.intake.receive import IntakeLimits, Reception
from lockgate.agent.intake.store import Incoming, IntakeQuota, Store
from lockgate.agent.intake.stream import PipeStream, Stream

QUICK = IntakeLimits(slot_s=0.2, stall_s=0.2, patience_s=0.5)


def reception(store: Store, limits: IntakeLimits = QUICK, per_hour: int = 100) -> Reception:
    """A reception of a store."""
    return Reception(store, CrashLoops(per_hour), limits)


def take(store: Store, stream: Stream, limits: IntakeLimits = QUICK) -> Entry:
    """Take one stream in."""
    return reception(store, limits).take(stream, a_crash(), "socket")


def test_a_whole_core_is_sealed(store: Store) -> None:
    """Byte for byte, with the facts of its front."""
    content = core(os.urandom(3 << 20))
    entry = take(store, stream_of(content))
    assert (entry.state, entry.why) == (State.SEALED, Why.NOTHING)
    assert (store.dumps / entry.entry_id).read_bytes() == content
    assert (entry.crash.signal, entry.crash.thread) == (11, 42)
    assert entry.crash.frames[0] == "service+0x123"
    assert entry.whole


def test_a_core_through_a_pipe_is_sealed(store: Store) -> None:
    """The other way gives the same bytes."""
    content = core(os.urandom(3 << 20))
    reader, writer = os.pipe()
    threading.Thread(target=lambda: (os.write(writer, content), os.close(writer))).start()
    entry = take(store, PipeStream(reader, 5.0))
    assert entry.whole
    assert (store.dumps / entry.entry_id).read_bytes() == content


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (core(b"x" * 9000)[:-100], Why.TRUNCATED),
        (core(b"x" * 9000)[:300], Why.TRUNCATED),
        (core(b"x" * 9000) + b"more" * 1000, Why.TOO_LONG),
        (b"no core " * 1000, Why.NOT_A_CORE),
        (b"", Why.NOT_A_CORE),
    ],
)
def test_a_stream_that_lies_is_not_whole(store: Store, content: bytes, why: Why) -> None:
    """What came is kept, and says what is wrong with it."""
    entry = take(store, stream_of(content))
    assert (entry.state, entry.why) == (State.SEALED, why)
    assert not entry.whole


def test_an_endless_stream_ends(store: Store) -> None:
    """Nothing is read far behind the end that the headers tell."""
    endless = core(b"x" * 100) + b"y" * (50 << 20)
    entry = take(store, stream_of(endless))
    assert entry.why is Why.TOO_LONG
    assert entry.size < 3 << 20


@pytest.mark.parametrize("sent", [0, 300, 5000])
def test_a_stream_that_stands_still_is_let_go(store: Store, sent: int) -> None:
    """Before, in and behind the front."""
    entry = take(store, stream_of(core(b"x" * 9000)[:sent], stall_s=0.2, ends=False))
    assert entry.why is Why.DEADLINE
    assert not entry.whole


def test_a_stream_that_trickles_is_cut_off(store: Store) -> None:
    """The time of a dump is bounded as a whole, not only between two bytes."""
    there = reception(store)
    with there.letting_go():
        entry = there.take(
            stream_of(core(b"x" * 9000)[:5000], stall_s=60, ends=False), a_crash(), ""
        )
    assert entry.why is Why.DEADLINE


def test_a_disk_that_hangs_holds_up_nobody(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process is let go while the thread that writes still waits."""
    hanging, go_on = threading.Event(), threading.Event()
    real = Incoming.append

    def slow(self: Incoming, piece: memoryview) -> None:
        hanging.set()
        go_on.wait(20)
        real(self, piece)

    monkeypatch.setattr(Incoming, "append", slow)
    reader, writer = os.pipe()
    os.write(writer, core(b"x" * 9000))
    there = reception(store)
    entries: list[Entry] = []
    with there.letting_go():
        stream = PipeStream(reader, 1.0)
        worker = threading.Thread(target=lambda: entries.append(there.take(stream, a_crash(), "p")))
        worker.start()
        assert hanging.wait(10)
        assert _ends_for_writer(writer)
        go_on.set()
        worker.join(10)
    os.close(writer)
    assert not entries[0].whole


def _ends_for_writer(writer: int) -> bool:
    """Whether a writer of a pipe is told, within ten seconds, that nobody reads."""
    for _ in range(200):
        try:
            os.write(writer, b"x")
        except BrokenPipeError:
            return True
        time.sleep(0.05)
    return False


def test_a_full_store_keeps_what_is_known(base: Path) -> None:
    """No dump, but who crashed and where."""
    entry = take(Store(base / "none", IntakeQuota(max_files=0)), stream_of(core()))
    assert (entry.state, entry.why) == (State.NOT_KEPT, Why.QUOTA)
    assert entry.crash.frames


def test_a_dump_beyond_the_quota_leaves_no_bytes(base: Path) -> None:
    """What was written before the bound was met is gone."""
    store = Store(base / "small", IntakeQuota(max_bytes=1 << 20))
    entry = take(store, stream_of(core(os.urandom(4 << 20))))
    assert (entry.state, entry.why) == (State.NOT_KEPT, Why.QUOTA)
    assert not list(store.incoming.iterdir())
    assert not list(store.dumps.iterdir())


def test_a_crash_loop_keeps_metadata_only(store: Store) -> None:
    """The first three dumps of one place, of another place its own."""
    there = reception(store, per_hour=3)
    taken = [there.take(stream_of(core()), a_crash(), "socket") for _ in range(5)]
    assert [entry.whole for entry in taken] == [True, True, True, False, False]
    assert taken[-1].why is Why.CRASH_LOOP
    assert there.take(stream_of(core(counter=0x400456)), a_crash(), "socket").whole
    assert there.take(stream_of(core()), a_crash("other.service"), "socket").whole


def test_too_many_at_once_wait_only_so_long(store: Store) -> None:
    """What finds no place is let go and noted."""
    there = reception(store, IntakeLimits(parallel=1, slot_s=0.2, stall_s=3.0, patience_s=3.0))
    stuck = stream_of(core(b"x" * 9000)[:5000], ends=False)
    first = threading.Thread(target=lambda: there.take(stuck, a_crash(), "socket"))
    first.start()
    while not list(store.incoming.iterdir()):
        time.sleep(0.01)
    entry = there.take(stream_of(core()), a_crash(), "socket")
    assert entry.why is Why.BUSY
    stuck.cut()
    first.join(10)


def test_many_at_once_are_all_taken(store: Store) -> None:
    """More than there are places, one after the other."""
    there = reception(store, IntakeLimits(parallel=2, slot_s=30.0))
    taken: list[Entry] = []

    def one(number: int) -> None:
        content = core(os.urandom(1 << 18), counter=0x400000 + number)
        taken.append(there.take(stream_of(content), a_crash(), "socket"))

    threads = [threading.Thread(target=one, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(taken) == 20
    assert all(entry.whole for entry in taken)
