"""The intake store: sealed or not there, for root alone, and bounded."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from cores import an_entry
from hypothesis import given
from hypothesis import strategies as st

from lockgate.agent.intake.entry import Entry, Judgement, State, Why
from lockgate.agent.intake.store import IntakeQuota, NoRoomError, Store, data_runs
from lockgate.scan.source import is_growing

PAGE = 4096


def take(store: Store, content: bytes, entry: Entry | None = None) -> Entry:
    """Take a dump in."""
    entry = entry or an_entry()
    incoming = store.begin(entry)
    incoming.append(memoryview(content))
    return store.seal(entry, incoming)


def test_a_sealed_dump_is_whole_and_for_its_owner_alone(store: Store) -> None:
    """Bytes, digest, mode and entry agree."""
    content = os.urandom(3 * PAGE + 17)
    entry = take(store, content)
    path = store.dumps / entry.entry_id
    assert path.read_bytes() == content
    assert entry.sha256 == hashlib.sha256(content).hexdigest()
    assert stat.S_IMODE(path.stat().st_mode) == 0o400
    assert store.find(entry.entry_id) == entry
    for folder in (store.folder, store.dumps, store.entries, store.incoming):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_zeros_take_no_room(store: Store) -> None:
    """Pages of zeros are holes, also at the end, and count in the digest."""
    content = bytes(8 << 20) + b"x" + bytes((8 << 20) - 1)
    entry = take(store, content)
    assert (store.dumps / entry.entry_id).read_bytes() == content
    assert entry.sha256 == hashlib.sha256(content).hexdigest()
    assert entry.stored < 1 << 20


@given(st.lists(st.sampled_from([bytes(PAGE), b"x" * PAGE, b"end"]), max_size=12))
def test_runs_cover_exactly_what_is_not_zero(pieces: list[bytes]) -> None:
    """What is left out is zeros, and runs do not touch."""
    content = b"".join(pieces)
    rebuilt = bytearray(len(content))
    last = -1
    for start, stop in data_runs(memoryview(content)):
        assert last < start < stop <= len(content)
        rebuilt[start:stop] = content[start:stop]
        last = stop
    assert bytes(rebuilt) == content


def test_a_full_store_takes_no_more_files(base: Path) -> None:
    """The bound on files."""
    store = Store(base / "few", IntakeQuota(max_files=1))
    take(store, b"one")
    with pytest.raises(NoRoomError):
        store.begin(an_entry())


def test_a_dump_that_does_not_fit_is_refused_while_it_comes(base: Path) -> None:
    """The bound on bytes counts what is on the disk."""
    store = Store(base / "small", IntakeQuota(max_bytes=10 * PAGE))
    incoming = store.begin(an_entry())
    incoming.append(memoryview(bytes(100 * PAGE)))
    with pytest.raises(NoRoomError):
        incoming.append(memoryview(os.urandom(11 * PAGE)))
    incoming.close()


def test_an_intake_that_died_leaves_no_dump_and_is_counted(store: Store) -> None:
    """What was not sealed is removed; what is known of the crash stays."""
    entry = an_entry()
    incoming = store.begin(entry)
    incoming.append(memoryview(b"half of a key"))
    incoming.close()
    assert Store(store.folder).recover() == 1
    assert not list(store.incoming.iterdir())
    lost = store.find(entry.entry_id)
    assert lost is not None
    assert (lost.state, lost.why) == (State.NOT_KEPT, Why.INTAKE_ENDED)


def test_a_death_between_entry_and_rename_is_made_up_for(store: Store) -> None:
    """The entry is what counts: its dump gets its name."""
    entry = an_entry()
    incoming = store.begin(entry)
    incoming.append(memoryview(b"whole"))
    digest = incoming.finish()
    store.write(replace(entry, state=State.SEALED, size=5, sha256=digest))
    incoming.close()
    assert store.recover() == 0
    assert (store.dumps / entry.entry_id).read_bytes() == b"whole"


def test_a_dump_whose_entry_was_lost_is_counted(store: Store) -> None:
    """Bytes of nobody do not stay."""
    (store.incoming / "0-1").write_bytes(b"bytes")
    assert store.recover() == 1
    assert not list(store.incoming.iterdir())


def test_a_growing_dump_says_so_until_its_writer_is_gone(store: Store) -> None:
    """The lock is seen by another descriptor, and ends with the writer's."""
    entry = an_entry()
    incoming = store.begin(entry)
    reader = store.open_dump(entry)
    try:
        assert is_growing(reader)
        incoming.close()
        assert not is_growing(reader)
    finally:
        os.close(reader)


def test_what_a_loop_leaves_is_bounded(base: Path) -> None:
    """Entries without a dump go, the oldest first; those with one stay."""
    store = Store(base / "loop", IntakeQuota(max_files=1))
    kept = take(store, b"dump")
    dropped = [store.drop(an_entry(), Why.CRASH_LOOP) for _ in range(30)]
    there = [entry.entry_id for entry in store.all()]
    assert len(there) == 10
    assert kept.entry_id in there
    assert dropped[-1].entry_id in there


def test_a_damaged_entry_is_passed_over(store: Store) -> None:
    """Its dump stays sealed; the others are still told of."""
    take(store, b"one")
    (store.entries / "0.json").write_text('{"entry_id": 1')
    assert len(list(store.all())) == 1


@pytest.mark.parametrize("name", ["", "../entries/x", "a/b", "x.json", "\0"])
def test_a_name_from_outside_leads_nowhere(store: Store, name: str) -> None:
    """Only names that entries have are looked for."""
    assert store.find(name) is None


def test_entries_and_judgements_survive_the_disk(store: Store) -> None:
    """What is read is what was written."""
    entry = take(store, b"x")
    findings = ({"class": "private", "algorithm": "rsa", "fingerprint": "sha256:00"},)
    judged = Judgement(entry.entry_id, "t", "z", "BLOCK", "", "m", "found", findings, ("damaged",))
    store.judge(judged)
    assert store.judgement(entry.entry_id) == judged
    assert Entry.from_json(entry.to_json()) == entry
