"""A report as text for people.

Rule enforced here: names and details are printed as the report holds them, which is escaped;
nothing of a scanned file reaches the terminal in any other way.
"""

from __future__ import annotations

from collections.abc import Iterator

from lockgate.scan.report import Finding, Gap, Occurrence, Outcome, Report

_MARKS = {Outcome.CLEAN: "ok", Outcome.FOUND: "FOUND", Outcome.INCOMPLETE: "INCOMPLETE"}
_PLACES_SHOWN = 5
STYLES = {Outcome.CLEAN: "green", Outcome.FOUND: "bold red", Outcome.INCOMPLETE: "yellow"}


def headline(report: Report) -> str:
    """One line: the outcome and the file."""
    return f"{_MARKS[report.outcome]:<10}  {report.path}"


def details(report: Report) -> Iterator[str]:
    """The lines below the headline: each finding with its places, each gap."""
    for finding in report.findings:
        yield from _finding(finding)
    for gap in report.gaps:
        yield f"  not looked at: {_gap(gap)}"


def _finding(finding: Finding) -> Iterator[str]:
    name = f" {finding.protected_name!r}" if finding.protected_name else ""
    what = f"{finding.algorithm} {finding.kind.value}, {finding.bits} bits"
    yield f"  {finding.class_.value}{name}: {what}"
    yield f"    {finding.fingerprint}"
    yield f"    proof: {', '.join(finding.proof)}"
    for place in finding.occurrences[:_PLACES_SHOWN]:
        yield f"    at {_place(place)}"
    more = len(finding.occurrences) - _PLACES_SHOWN
    if more > 0:
        yield f"    and {more} more"


def _place(place: Occurrence) -> str:
    inside = f" of {place.member}" if place.member else ""
    memory = f", address {place.address:#x}" if place.address is not None else ""
    return f"{place.offset:#x}, {place.length} bytes ({place.format}){inside}{memory}"


def _gap(gap: Gap) -> str:
    parts = [gap.reason.value]
    if gap.member:
        parts.append(f"in {gap.member}")
    if gap.offset is not None:
        parts.append(f"from {gap.offset:#x}")
    if gap.length is not None:
        parts.append(f"{gap.length} bytes")
    return " ".join(parts) + (f": {gap.detail}" if gap.detail else "")
