"""Reports of a scan, to messages and back; the rules are those of the package."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lockgate.scan.report import (
    EngineInfo,
    Finding,
    FindingClass,
    FindingKind,
    Gap,
    GapReason,
    Occurrence,
    Outcome,
    Proof,
    Report,
)
from lockgate.v1 import report_pb2 as pb
from lockgate.wire.convert.values import (
    MEMBER_TEXT,
    PATH_TEXT,
    SENTENCE_TEXT,
    SHORT_TEXT,
    EnumMap,
    arrived,
    cut,
    seconds,
    sha256_or_none,
    uint32,
    uint64,
)

#: Bounds of lists; the .proto files state the same numbers.
MOST_FINDINGS = 1024
MOST_GAPS = 256
MOST_OCCURRENCES = 64
MOST_SEARCHES = 64

#: Places listed in one report, beyond the first of each finding.
_OCCURRENCE_BUDGET = 2048

OUTCOMES = EnumMap(Outcome, pb.Outcome.DESCRIPTOR)
KINDS = EnumMap(FindingKind, pb.FindingKind.DESCRIPTOR)
CLASSES = EnumMap(FindingClass, pb.FindingClass.DESCRIPTOR)
GAP_REASONS = EnumMap(GapReason, pb.GapReason.DESCRIPTOR)
PROOFS = EnumMap(Proof, pb.Proof.DESCRIPTOR)

#: From the strictest to the mildest: the order in which findings are kept.
_STRICTNESS = {
    class_: rank
    for rank, class_ in enumerate(
        (
            FindingClass.PROTECTED,
            FindingClass.PRIVATE,
            FindingClass.CREDENTIAL,
            FindingClass.ENCRYPTED,
            FindingClass.SESSION,
            FindingClass.RNG,
            FindingClass.TEST,
        )
    )
}


def report_to_wire(report: Report) -> pb.Report:
    """The message of ``report``. Its path is not part of it: the transfer has one."""
    findings, gaps = report.findings, report.gaps
    if len(findings) > MOST_FINDINGS:
        findings = tuple(sorted(findings, key=lambda f: _STRICTNESS[f.class_])[:MOST_FINDINGS])
        detail = f"{len(report.findings)} findings, {MOST_FINDINGS} listed"
        gaps = (Gap(GapReason.MATCH_LIMIT, detail=detail), *gaps)
    message = pb.Report(
        sha256=report.sha256 or "",
        size=uint64(report.size),
        outcome=OUTCOMES.number(report.outcome),
        gaps=[_gap_to_wire(gap) for gap in gaps[:MOST_GAPS]],
        coverage=pb.Coverage(bytes_scanned=uint64(report.bytes_scanned), gap_count=len(gaps)),
        seconds=seconds(report.seconds),
        engine=_engine_to_wire(report.engine),
        strict=report.strict,
    )
    budget = _OCCURRENCE_BUDGET
    for finding in findings:
        listed = finding.occurrences[: min(MOST_OCCURRENCES, 1 + budget)]
        budget -= max(len(listed) - 1, 0)
        message.findings.append(_finding_to_wire(finding, listed))
    if gaps is not report.gaps and report.outcome is Outcome.CLEAN:
        message.outcome = pb.OUTCOME_INCOMPLETE
    return message


def _finding_to_wire(finding: Finding, listed: tuple[Occurrence, ...]) -> pb.Finding:
    return pb.Finding(
        kind=KINDS.number(finding.kind),
        finding_class=CLASSES.number(finding.class_),
        algorithm=cut(finding.algorithm, SHORT_TEXT),
        bits=uint32(finding.bits),
        fingerprint=cut(finding.fingerprint, SHORT_TEXT),
        proofs=[PROOFS.number(proof) for proof in finding.proof],
        occurrences=[_place_to_wire(place) for place in listed],
        protected_name=_optional_cut(finding.protected_name, SHORT_TEXT),
        occurrence_count=len(finding.occurrences),
    )


def _place_to_wire(place: Occurrence) -> pb.Occurrence:
    return pb.Occurrence(
        format=cut(place.format, SHORT_TEXT),
        offset=uint64(place.offset),
        length=uint64(place.length),
        member=_optional_cut(place.member, MEMBER_TEXT),
        address=None if place.address is None else uint64(place.address),
    )


def _gap_to_wire(gap: Gap) -> pb.Gap:
    return pb.Gap(
        reason=GAP_REASONS.number(gap.reason),
        member=_optional_cut(gap.member, MEMBER_TEXT),
        offset=None if gap.offset is None else uint64(gap.offset),
        length=None if gap.length is None else uint64(gap.length),
        detail=cut(gap.detail, SENTENCE_TEXT),
    )


def _engine_to_wire(engine: EngineInfo) -> pb.Engine:
    return pb.Engine(
        version=cut(engine.version, SHORT_TEXT),
        rule_pack=cut(engine.rule_pack, SHORT_TEXT),
        profile=cut(engine.profile, SHORT_TEXT),
        searches=[cut(search, SHORT_TEXT) for search in engine.searches[:MOST_SEARCHES]],
        salt=cut(engine.salt, SHORT_TEXT),
    )


def _optional_cut(text: str | None, limit: int) -> str | None:
    return None if text is None else cut(text, limit)


def report_from_wire(message: pb.Report, path: str = "") -> Report:
    """The report of ``message``; ``path`` is that of its transfer.

    Raises:
        WireError: the SHA-256 is not one.
    """
    listed = tuple(_gap_from_wire(gap) for gap in message.gaps)
    doubts = tuple(Gap(GapReason.UNDECIDED, detail=why) for why in _doubts(message))
    report = Report(
        path=arrived(path, PATH_TEXT),
        sha256=sha256_or_none(message.sha256, "report.sha256"),
        size=message.size,
        findings=tuple(_finding_from_wire(finding) for finding in message.findings),
        gaps=listed + doubts,
        bytes_scanned=message.coverage.bytes_scanned,
        seconds=seconds(message.seconds),
        engine=_engine_from_wire(message.engine),
        strict=message.strict,
    )
    if OUTCOMES.word(message.outcome) is report.outcome:
        return report
    return _with_gap(report, "the outcome of the report does not follow from its content")


def _with_gap(report: Report, detail: str) -> Report:
    return replace(report, gaps=(*report.gaps, Gap(GapReason.UNDECIDED, detail=detail)))


def _doubts(message: pb.Report) -> Iterator[str]:
    """What this version cannot know about the report, one sentence each."""
    if message.coverage.gap_count > 0 and not message.gaps:
        yield "the report counts gaps and lists none"
    if not message.engine.searches and not message.gaps:
        yield "the report does not say what was searched for"
    if not message.sha256 and not message.gaps:
        yield "the file was not read to its end and the report does not say why"
    for finding in message.findings:
        if CLASSES.word(finding.finding_class) is None:
            yield f"unknown finding class {finding.finding_class}"
        if KINDS.word(finding.kind) is None:
            yield f"unknown finding kind {finding.kind}"
        if not finding.occurrences:
            yield "a finding without a place"
        named = finding.HasField("protected_name")
        if named and CLASSES.word(finding.finding_class) is not FindingClass.PROTECTED:
            yield "a finding with the name of a protected key and another class"


def _finding_from_wire(message: pb.Finding) -> Finding:
    places = tuple(_place_from_wire(place) for place in message.occurrences)
    protected = message.HasField("protected_name")
    return Finding(
        kind=KINDS.word(message.kind) or FindingKind.PRIVATE_KEY,
        class_=CLASSES.word(message.finding_class) or FindingClass.PRIVATE,
        algorithm=arrived(message.algorithm, SHORT_TEXT),
        bits=message.bits,
        fingerprint=arrived(message.fingerprint, SHORT_TEXT),
        proof=tuple(word for p in message.proofs if (word := PROOFS.word(p)) is not None),
        occurrences=places or (Occurrence(format="unknown", offset=0, length=0),),
        protected_name=arrived(message.protected_name, SHORT_TEXT) if protected else None,
    )


def _place_from_wire(message: pb.Occurrence) -> Occurrence:
    return Occurrence(
        format=arrived(message.format, SHORT_TEXT),
        offset=message.offset,
        length=message.length,
        member=arrived(message.member, MEMBER_TEXT) if message.HasField("member") else None,
        address=message.address if message.HasField("address") else None,
    )


def _gap_from_wire(message: pb.Gap) -> Gap:
    reason = GAP_REASONS.word(message.reason)
    detail = message.detail if reason else f"unknown reason {message.reason}: {message.detail}"
    return Gap(
        reason=reason or GapReason.UNDECIDED,
        member=arrived(message.member, MEMBER_TEXT) if message.HasField("member") else None,
        offset=message.offset if message.HasField("offset") else None,
        length=message.length if message.HasField("length") else None,
        detail=arrived(detail, SENTENCE_TEXT),
    )


def _engine_from_wire(message: pb.Engine) -> EngineInfo:
    return EngineInfo(
        version=arrived(message.version, SHORT_TEXT),
        rule_pack=arrived(message.rule_pack, SHORT_TEXT),
        profile=arrived(message.profile, SHORT_TEXT),
        searches=tuple(arrived(search, SHORT_TEXT) for search in message.searches),
        salt=arrived(message.salt, SHORT_TEXT),
    )
