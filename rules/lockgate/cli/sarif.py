"""Reports as SARIF 2.1.0 (OASIS), for code hosts and editors.

Rules enforced here:

1. A finding is a result; a gap is a result of its own rule, level ``warning``, so that a
   reader of SARIF cannot take a file that was not wholly read for a clean one.
2. Offsets are those of the top-level file only when the key lies in no member.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from lockgate.scan.report import (
    CLASSES_THAT_BLOCK,
    EngineInfo,
    Finding,
    FindingClass,
    Gap,
    Occurrence,
    Report,
)

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_GAP_RULE = "gap"


def to_sarif(reports: Iterable[Report], engine: EngineInfo) -> dict[str, Any]:
    """One SARIF log with one run."""
    results = [result for report in reports for result in _results(report)]
    driver = {
        "name": "lockgate",
        "semanticVersion": engine.version,
        "rules": [*(_rule(c.value, c.explanation) for c in FindingClass), _GAP_RULE_TEXT],
        "properties": {"rulePack": engine.rule_pack, "profile": engine.profile},
    }
    run = {"tool": {"driver": driver}, "results": results, "columnKind": "unicodeCodePoints"}
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(name: str, text: str) -> dict[str, Any]:
    return {"id": name, "shortDescription": {"text": text}}


_GAP_RULE_TEXT = _rule(_GAP_RULE, "Bytes that were not looked at; the file is not known clean.")


def _results(report: Report) -> Iterable[dict[str, Any]]:
    for finding in report.findings:
        yield _finding(report.path, finding)
    for gap in report.gaps:
        yield _gap(report.path, gap)


def _finding(path: str, finding: Finding) -> dict[str, Any]:
    blocks = finding.class_ in CLASSES_THAT_BLOCK
    text = f"{finding.algorithm} {finding.kind.value} of {finding.bits} bits ({finding.class_})"
    return {
        "ruleId": finding.class_.value,
        "level": "error" if blocks else "note",
        "message": {"text": text},
        "locations": [_location(path, place) for place in finding.occurrences[:1]],
        "relatedLocations": [_location(path, place) for place in finding.occurrences[1:]],
        "fingerprints": {"lockgate/v1": finding.fingerprint},
        "properties": {"proof": [p.value for p in finding.proof]},
    }


def _location(path: str, place: Occurrence) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": {"uri": quote(path)}}
    if place.member is None:
        physical["region"] = {"byteOffset": place.offset, "byteLength": place.length}
        return {"physicalLocation": physical}
    logical = {"fullyQualifiedName": place.member, "kind": "member"}
    return {"physicalLocation": physical, "logicalLocations": [logical]}


def _gap(path: str, gap: Gap) -> dict[str, Any]:
    inside = f" in {gap.member}" if gap.member else ""
    location = {"physicalLocation": {"artifactLocation": {"uri": quote(path)}}}
    return {
        "ruleId": _GAP_RULE,
        "level": "warning",
        "message": {"text": f"{gap.reason.value}{inside}: {gap.detail or gap.reason.explanation}"},
        "locations": [location],
    }
