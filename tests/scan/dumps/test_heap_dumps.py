"""Java heap dumps: numbers in arrays at any offset are found, and told at their offsets."""

from __future__ import annotations

import struct

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.scan.dumps.heaps import array, class_, hprof, instance
from tests.scan.dumps.planted import fingerprint
from tests.scan.search.number_forms import ordinary_rsa_key

from lockgate.formats.scanner import standard_scanner
from lockgate.scan.containers.hprof import Hprof, Moved
from lockgate.scan.containers.hprof_records import Sizes
from lockgate.scan.limits import Limits, Profile
from lockgate.scan.report import GapReason, Outcome
from lockgate.scan.source import Stream


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    """A fresh key."""
    return ordinary_rsa_key()


def heap_of(key: rsa.RSAPrivateKey, skew: int, width: int = 8) -> list[bytes]:
    """Objects, and a key's modulus and both primes as ``BigInteger.mag``; a prime is last."""
    numbers = key.private_numbers()
    return [
        b"\x05" + bytes(width),
        class_(width),
        array(b"t" * (40 + skew), 8, width),
        *(instance(struct.pack(">QI", i, i), width) for i in range(50)),
        array(numbers.public_numbers.n.to_bytes(256, "big"), 10, width),
        instance(b"\xff" * (skew + 1), width),
        array(numbers.q.to_bytes(128, "big"), 10, width),
        b"\x22" + bytes(width + 4) + struct.pack(">I", 2) + bytes(3 * width),
        array(numbers.p.to_bytes(128, "big"), 10, width),
    ]


@pytest.mark.parametrize(("width", "skew"), [(4, 1), (4, 6), *((8, skew) for skew in range(8))])
def test_numbers_are_found_at_every_alignment(width, skew, key, scan):
    """Wherever an array stands, its number is found, at the offset it has in the dump."""
    written = hprof(heap_of(key, skew, width), width)

    report = scan(written.data)

    (finding,) = report.findings
    assert report.gaps == ()
    assert finding.fingerprint == fingerprint(key)
    places = {(p.member, p.offset, p.length, p.address) for p in finding.occurrences}
    assert (None, written.offset, 128, None) in places


@pytest.mark.parametrize("version", [1, 2, 3])
def test_every_version_is_read(version, key, scan):
    """HPROF 1.0.1, 1.0.2 and Android's 1.0.3."""
    written = hprof(heap_of(key, 3), version=version)

    assert {f.fingerprint for f in scan(written.data).findings} == {fingerprint(key)}


def test_array_longer_than_a_window_is_moved_too(key, scan):
    """Numbers in front of and behind an array of megabytes are found."""
    long = array(bytes(3_000_001) + b"\x81\x02\xf3\x04" * 100, 8)
    written = hprof([long, *heap_of(key, 2)])

    report = scan(written.data)

    assert (report.gaps, {f.fingerprint for f in report.findings}) == ((), {fingerprint(key)})


@pytest.mark.parametrize(("encoding", "kind"), [("latin-1", 8), ("utf-16-le", 8), ("utf-16-be", 5)])
def test_key_text_in_a_string_is_found_once(encoding, kind, planted, scan):
    """A PEM in a string, as old and new JVMs keep it, is read raw, at its place in the dump."""
    start = planted.memory.index(b"-----BEGIN")
    pem = planted.memory[start : planted.memory.index(b"\0", start)].strip()
    written = hprof([array(b"a" * 21, 8), array(pem.decode().encode(encoding), kind)])

    (finding,) = scan(written.data).findings

    assert finding.fingerprint == planted.text
    assert [(p.member, p.offset) for p in finding.occurrences] == [(None, written.offset)]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data, at: data[: at + 100], GapReason.TRUNCATED),
        (lambda data, at: data[: at - 18] + b"\x99" + data[at - 17 :], GapReason.DAMAGED),
        (lambda data, at: data[: at - 5] + b"\x7f\xff\xff\xff" + data[at - 1 :], GapReason.DAMAGED),
        (lambda data, at: data[:22] + b"\x03" + data[23:], GapReason.DAMAGED),
    ],
    ids=["cut", "unknown record", "count", "identifiers"],
)
def test_damage_is_a_gap(damage, reason, scan):
    """A dump that ends early, or whose records make no sense, is incomplete."""
    written = hprof([class_(), array(b"\x80" * 400, 8), array(b"\x90" * 400, 8)])

    report = scan(damage(written.data, written.offset))

    assert report.outcome is Outcome.INCOMPLETE
    assert reason in {g.reason for g in report.gaps}


@pytest.mark.parametrize("at", ["record", "segment"])
def test_what_stands_behind_damage_is_found(at, key, scan):
    """Reading goes on at the next array, and the damage is told."""
    records = heap_of(key, 5)
    written = hprof(records)
    place = written.data.index(b"name") + (4 if at == "segment" else 13)
    data = written.data[:place] + b"\x99" + written.data[place + 1 :]

    report = scan(data)

    assert GapReason.DAMAGED in {g.reason for g in report.gaps}
    (finding,) = report.findings
    places = {(p.offset, p.length) for p in finding.occurrences}
    assert (finding.fingerprint, (written.offset, 128) in places) == (fingerprint(key), True)


def test_more_arrays_than_the_limit_are_a_gap():
    """What is not shown for want of room is told."""
    data = hprof([array(b"\x80" * 40, 8)] * 5).data
    members = Hprof(arrays=3).members(Stream(iter([data])))

    image = b"".join(next(members).chunks)

    assert len(image) == len(data)
    assert image.count(b"\x80" * 40) == 3
    assert [problem.reason for problem in members] == [GapReason.BUDGET]


def test_moved_bytes_are_told_where_they_were():
    """Each byte of a moved array leads back to its own offset."""
    moved = Moved(10)
    for start, length in ((101, 40), (160, 16), (207, 300)):
        shift = moved.add(start)
        shown = start - shift
        assert shown % 8 == 0
        assert [moved.offset_of(shown + i) for i in range(length)] == [
            start + i for i in range(length)
        ]


def test_class_may_have_constants_statics_and_fields():
    """The end of a class record is found behind all three lists."""
    for width in (4, 8):
        record = class_(width)
        assert Sizes.of(width).end_of(record + b"\x21", 0) == len(record)


def test_fast_profile_never_calls_a_heap_dump_clean(scan):
    """A heap dump is memory: without the searches for numbers it is incomplete."""
    data = hprof([array(b"\x80" * 40, 8)]).data

    report = scan(data, standard_scanner(profile=Profile.FAST, limits=Limits()))

    assert {g.reason for g in report.gaps} == {GapReason.PROFILE}
