"""The spool loses nothing that was synced and invents nothing that was not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.agent.uplink.spool import Record, RecordKind, Spool, SpoolFull, decode, encode

RECORDS = st.lists(
    st.builds(
        Record,
        number=st.integers(1, 2**63),
        kind=st.sampled_from(list(RecordKind)),
        payload=st.binary(max_size=80) | st.just(b"LGr1LGr1"),
    ),
    max_size=6,
)


@given(RECORDS, st.data())
def test_any_cut_recovers_exactly_the_whole_records(records: list[Record], data: st.DataObject):
    """Cut anywhere, a segment gives the records before the cut, and the torn rest is counted."""
    pieces = [encode(record) for record in records]
    content = b"".join(pieces)
    cut = data.draw(st.integers(0, len(content)))
    whole, count = 0, 0
    while count < len(pieces) and whole + len(pieces[count]) <= cut:
        whole += len(pieces[count])
        count += 1
    decoded = decode(content[:cut])
    assert decoded.records == tuple(records[:count])
    assert decoded.whole == whole
    assert decoded.damaged_bytes == 0


@given(RECORDS.filter(lambda records: len(records) > 1), st.data())
def test_damage_in_one_record_costs_no_later_one(records: list[Record], data: st.DataObject):
    """A flipped bit in the first record loses that record only."""
    first = bytearray(encode(records[0]))
    first[data.draw(st.integers(0, len(first) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    decoded = decode(bytes(first) + b"".join(encode(record) for record in records[1:]))
    assert decoded.records == tuple(records[1:])
    assert decoded.damaged_bytes == len(first)


@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_without_an_exception(content: bytes):
    """Whatever is on the disk is read."""
    decode(content)


def test_what_was_not_acknowledged_comes_back_in_order(tmp_path: Path) -> None:
    """After a restart exactly the unacknowledged records wait, and numbers go on."""
    spool = Spool(tmp_path)
    for number in range(5):
        spool.append(RecordKind.ENFORCEMENT, b"%d" % number)
    spool.acknowledge(2)
    spool.acknowledge(5)
    spool.sync()
    spool.close()
    again = Spool(tmp_path)
    assert [record.number for record in again.pending()] == [1, 3, 4]
    assert again.append(RecordKind.GUARD, b"").number == 6


def test_a_torn_tail_is_counted_and_its_number_used_again(tmp_path: Path) -> None:
    """A record cut by a power failure is gone; those before it are there."""
    spool = Spool(tmp_path)
    spool.append(RecordKind.ENFORCEMENT, b"first")
    spool.append(RecordKind.ENFORCEMENT, b"second")
    spool.close()
    segment = next(tmp_path.glob("*.seg"))
    segment.write_bytes(segment.read_bytes()[:-3])
    again = Spool(tmp_path)
    assert [record.payload for record in again.pending()] == [b"first"]
    assert again.torn_bytes > 0
    assert again.next_number == 2


def test_numbers_survive_when_every_record_is_acknowledged(tmp_path: Path) -> None:
    """A number is never given twice, also when all segments but the last are gone."""
    for turn in range(1, 4):
        spool = Spool(tmp_path)
        number = spool.append(RecordKind.GUARD, b"x").number
        assert number == turn
        spool.acknowledge(number)
        spool.sync()
        spool.close()
    assert len(list(tmp_path.glob("*.seg"))) == 1


def test_a_full_spool_refuses_and_keeps_what_it_has(tmp_path: Path) -> None:
    """Beyond its bound the spool raises, keeps its records, and has room again after an ack."""
    spool = Spool(tmp_path, limit=400)
    for _ in range(3):
        spool.append(RecordKind.ENFORCEMENT, bytes(60))
    with pytest.raises(SpoolFull):
        spool.append(RecordKind.ENFORCEMENT, bytes(200))
    assert len(spool.pending()) == 3
    with pytest.raises(SpoolFull):
        spool.append(RecordKind.GUARD, b"", reserve=400)


def test_a_small_spool_is_free_again_when_everything_was_acknowledged(tmp_path: Path) -> None:
    """Acknowledged records do not fill the bound, however small it is."""
    spool = Spool(tmp_path, limit=4096)
    for _ in range(100):
        spool.acknowledge(spool.append(RecordKind.ENFORCEMENT, bytes(300)).number)
    assert spool.bytes_used < 4096
    spool.close()
