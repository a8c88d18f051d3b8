"""Conversion: nothing is lost between equals, and nothing unknown becomes milder."""

import contextlib
import dataclasses
from datetime import UTC, datetime

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from lockgate.scan import report as scan
from lockgate.v1 import decision_pb2, report_pb2, transfer_pb2
from lockgate.wire import convert
from lockgate.wire import transfer as gate
from lockgate.wire.convert import report as reports
from lockgate.wire.convert import transfer as transfers
from lockgate.wire.validate import violations

MAPS = [
    (reports.OUTCOMES, scan.Outcome, report_pb2.Outcome),
    (reports.KINDS, scan.FindingKind, report_pb2.FindingKind),
    (reports.CLASSES, scan.FindingClass, report_pb2.FindingClass),
    (reports.GAP_REASONS, scan.GapReason, report_pb2.GapReason),
    (reports.PROOFS, scan.Proof, report_pb2.Proof),
    (transfers.BOUNDARIES, gate.Boundary, transfer_pb2.Boundary),
    (transfers.VERDICTS, gate.Verdict, transfer_pb2.Verdict),
    (transfers.HOLD_REASONS, gate.HoldReason, transfer_pb2.HoldReason),
    (transfers.ENFORCEMENTS, gate.Enforcement, transfer_pb2.Enforcement),
    (transfers.GUARD_CHANGES, gate.GuardChange, decision_pb2.GuardChange),
]


@pytest.mark.parametrize(("mapping", "words", "enum"), MAPS)
def test_words_and_enum_numbers_match_one_to_one(mapping, words, enum):
    """Every word has its number and every number but UNSPECIFIED its word."""
    numbers = {mapping.number(word) for word in words}
    assert numbers == set(enum.values()) - {0}
    assert all(mapping.word(mapping.number(word)) is word for word in words)
    assert mapping.word(0) is None
    assert mapping.word(9999) is None


plain = st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), max_size=20)
numbers = st.integers(0, 2**64 - 1)
hexes = st.text("0123456789abcdef", min_size=64, max_size=64)
times = st.integers(0, 7 * 10**9).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
places = st.builds(scan.Occurrence, plain, numbers, numbers, st.none() | plain, st.none() | numbers)
findings = st.builds(
    scan.Finding,
    st.sampled_from(scan.FindingKind),
    st.sampled_from(scan.FindingClass),
    plain,
    st.integers(0, 2**32 - 1),
    hexes.map("sha256:{}".format),
    st.lists(st.sampled_from(scan.Proof), max_size=3).map(tuple),
    st.lists(places, min_size=1, max_size=3).map(tuple),
    st.none() | plain,
).map(
    lambda finding: (
        finding
        if finding.class_ is scan.FindingClass.PROTECTED
        else dataclasses.replace(finding, protected_name=None)
    )
)
gaps = st.builds(
    scan.Gap,
    st.sampled_from(scan.GapReason),
    st.none() | plain,
    st.none() | numbers,
    st.none() | numbers,
    plain,
)
engines = st.builds(
    scan.EngineInfo, plain, plain, plain, st.lists(plain, min_size=1, max_size=3).map(tuple), plain
)
scans = st.builds(
    scan.Report,
    plain,
    hexes,
    numbers,
    st.lists(findings, max_size=3).map(tuple),
    st.lists(gaps, max_size=3).map(tuple),
    numbers,
    st.floats(0, 1e6),
    engines,
    st.booleans(),
)
small = st.none() | st.integers(0, 2**32 - 1)
openers = st.builds(
    gate.Opener,
    st.integers(0, 2**32 - 1),
    small,
    small,
    plain,
    plain,
    plain,
    small,
    st.none() | numbers,
)
signed = st.integers(-(2**63), 2**63 - 1)
moves = st.builds(
    gate.Transfer, st.uuids().map(str),
    st.builds(gate.Zone, plain.filter(bool), st.booleans()), plain.filter(bool),
    st.sampled_from(gate.Boundary), plain,
    st.builds(gate.FileIdentity, numbers, numbers, numbers, signed, signed),
    st.none() | openers, times,
)  # fmt: skip
verdicts = st.sampled_from(gate.Verdict)


@st.composite
def decisions(draw):
    """A decision with a hold reason exactly when it holds."""
    verdict = draw(verdicts)
    reason = draw(st.sampled_from(gate.HoldReason)) if verdict is gate.Verdict.HOLD else None
    late = st.none() | times
    return gate.Decision(
        verdict, reason, draw(plain), draw(plain), tuple(draw(st.lists(plain, max_size=3))),
        draw(hexes), draw(st.booleans()), draw(st.booleans()), draw(late), draw(late), draw(plain),
    )  # fmt: skip


@given(scans)
def test_a_report_survives_the_wire(report):
    """Report -> message -> report gives the same report, within the bounds."""
    message = convert.report_to_wire(report)
    assert violations(message) == ()
    assert convert.report_from_wire(message, report.path) == report


@given(moves)
def test_a_transfer_survives_the_wire(transfer):
    """Transfer -> message -> transfer gives the same transfer, within the bounds."""
    message = convert.transfer_to_wire(transfer)
    assert violations(message) == ()
    assert convert.transfer_from_wire(message) == transfer


@given(decisions())
def test_a_decision_survives_the_wire(decision):
    """Decision -> message -> decision gives the same decision, within the bounds."""
    message = convert.decision_to_wire(decision)
    assert violations(message) == ()
    assert convert.decision_from_wire(message) == decision


@given(decisions(), st.sampled_from(gate.Enforcement), times, st.none() | openers, plain)
def test_a_receipt_survives_the_wire(decision, enforcement, time, opener, text):
    """Receipt -> message -> receipt gives the same receipt, within the bounds."""
    receipt = gate.Receipt(
        "01890a5d-ac96-774b-bcce-b302099a8057", decision.verdict, enforcement,
        decision.hold_reason, 1, time, text, opener, text, text, text,
    )  # fmt: skip
    message = convert.receipt_to_wire(receipt)
    assert violations(message) == ()
    assert convert.receipt_from_wire(message) == receipt


HOSTILE = [
    (report_pb2.Report, convert.report_from_wire),
    (transfer_pb2.Transfer, convert.transfer_from_wire),
    (transfer_pb2.Decision, convert.decision_from_wire),
    (transfer_pb2.Receipt, convert.receipt_from_wire),
]


@pytest.mark.parametrize(("kind", "read"), HOSTILE)
@given(raw=st.binary(max_size=200))
def test_hostile_messages_raise_nothing_but_a_wire_error(kind, read, raw):
    """Whatever parses as a message is converted or refused, and can be checked."""
    try:
        message = kind.FromString(raw)
    except DecodeError:
        return
    violations(message)
    with contextlib.suppress(convert.WireError):
        read(message)


SEARCHED = report_pb2.Engine(searches=["markers"])
CLEAN = report_pb2.Report(sha256="a" * 64, outcome=report_pb2.OUTCOME_CLEAN, engine=SEARCHED)
PLACE = report_pb2.Occurrence(format="pem", length=1)


@pytest.mark.parametrize(
    "changes",
    [
        {"outcome": 0},
        {"outcome": 99},
        {"outcome": report_pb2.OUTCOME_FOUND},
        {"sha256": ""},
        {"coverage": report_pb2.Coverage(gap_count=3)},
        {"gaps": [report_pb2.Gap(reason=99)]},
        {"findings": [report_pb2.Finding(finding_class=99)]},
        {"findings": [report_pb2.Finding(finding_class=6, kind=1)]},
        {
            "findings": [
                report_pb2.Finding(
                    finding_class=report_pb2.FINDING_CLASS_TEST,
                    kind=1,
                    occurrences=[PLACE],
                    protected_name="token-signing",
                )
            ]
        },
        {"engine": report_pb2.Engine()},
    ],
)
def test_a_report_with_anything_odd_is_not_clean(changes):
    """Unknown values and contradictions become gaps."""
    assert convert.report_from_wire(CLEAN).outcome is scan.Outcome.CLEAN
    fields = {"sha256": "a" * 64, "outcome": 1, "engine": SEARCHED}
    message = report_pb2.Report(**{**fields, **changes})
    report = convert.report_from_wire(message)
    assert report.gaps
    assert report.outcome is not scan.Outcome.CLEAN


@pytest.mark.parametrize(
    "message",
    [
        transfer_pb2.Decision(),
        transfer_pb2.Decision(verdict=99),
        transfer_pb2.Decision(verdict=1, hold_reason=1),
        transfer_pb2.Decision(verdict=1, hold_reason=99),
        transfer_pb2.Decision(verdict=2),
        transfer_pb2.Decision(verdict=2, hold_reason=99),
    ],
)
def test_a_decision_that_is_not_whole_holds(message):
    """Unknown or contradictory decisions are HOLD unknown-value, never reused."""
    decision = convert.decision_from_wire(message)
    assert decision.hold_reason is gate.HoldReason.UNKNOWN_VALUE
    assert decision.cache_until is None


def test_long_lists_are_cut_and_counted():
    """Cut lists keep their true counts, keep the strictest findings, and fit the bounds."""
    places = tuple(scan.Occurrence("pem", n, 1, "\udc80é" * 400) for n in range(100))
    mild = scan.Finding(scan.FindingKind.PRIVATE_KEY, scan.FindingClass.TEST, "RSA", 1,
                        "sha256:" + "a" * 64, (), places)  # fmt: skip
    strict = scan.Finding(scan.FindingKind.PRIVATE_KEY, scan.FindingClass.PROTECTED, "RSA", 1,
                          "sha256:" + "b" * 64, (), places)  # fmt: skip
    gap = scan.Gap(scan.GapReason.DAMAGED, detail="x" * 5000)
    report = scan.Report("/p", "a" * 64, 1, (*[mild] * 1500, strict), (gap,) * 300, 1, 0.1,
                         scan.EngineInfo("1", "r", "fast", ()))  # fmt: skip
    message = convert.report_to_wire(report)
    assert violations(message) == ()
    assert message.ByteSize() < 4 * 1024 * 1024
    assert message.findings[0].finding_class == report_pb2.FINDING_CLASS_PROTECTED
    assert message.findings[0].occurrence_count == 100
    assert message.coverage.gap_count == 301


def test_text_of_a_message_arrives_escaped():
    """A name in a message cannot forge a line."""
    gap = report_pb2.Gap(reason=1, member="a\nb\x1b[2J")
    report = convert.report_from_wire(report_pb2.Report(sha256="a" * 64, gaps=[gap]))
    assert report.gaps[0].member == "a\\x0ab\\x1b[2J"
