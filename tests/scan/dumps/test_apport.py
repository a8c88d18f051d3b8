"""Crash reports of apport: the core inside is read as the dump it is."""

from __future__ import annotations

import random

import pytest
from tests.scan.dumps import writers
from tests.scan.dumps.heaps import crash
from tests.scan.dumps.planted import PAGE, PEM_AT, PRIME_AT

from lockgate.scan.report import GapReason


@pytest.mark.parametrize("packing", ["gzip", "zlib"])
def test_core_in_a_report_is_read(packing, planted, scan):
    """Keys are found in the unpacked core, with their addresses."""
    written = crash(writers.elf(planted.memory), packing)

    report = scan(written.data)

    assert report.gaps == ()
    places = {
        (finding.fingerprint, place.member, place.offset, place.address)
        for finding in report.findings
        for place in finding.occurrences
    }
    for fingerprint, at in ((planted.limbs, PRIME_AT), (planted.text, PEM_AT)):
        address = writers.BASE + at
        assert (fingerprint, written.member, written.offset + at, address) in places


def test_report_that_ends_early_is_a_gap(planted, scan):
    """A report cut inside the core gives what is there, and a gap."""
    noise = random.Random(1).randbytes(16 * PAGE)
    data = crash(writers.elf(planted.memory + noise)).data

    report = scan(data[:-3000])

    assert GapReason.TRUNCATED in {g.reason for g in report.gaps}
    assert {f.fingerprint for f in report.findings} >= {planted.limbs}


def test_line_that_is_not_base64_is_a_gap(planted, scan):
    """Damage inside the core ends it as damaged; the fields behind it are read."""
    data = crash(writers.elf(planted.memory)).data
    damaged = data.replace(b"\n H4sI", b"\n H4s!", 1)

    report = scan(damaged)

    assert {g.reason for g in report.gaps} == {GapReason.DAMAGED}
