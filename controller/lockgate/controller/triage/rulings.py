"""What a ruling does to a decision. Pure.

Rules enforced here:

1. A ruled key counts as ``test`` for the policy, and for nothing else: what was found is
   recorded as what it is.
2. Of a protected key no ruling says anything, whenever it was registered.
3. A ruling ends at its time. A decision that one had a part in is not used again after that,
   and says so in its audit.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from lockgate.scan.report import Finding, FindingClass, Report
from lockgate.scan.words import Word
from lockgate.wire.transfer import Decision


class TriageAs(Word):
    """What people say a key is."""

    TEST = "test", "A key for tests, which protects nothing."
    ACCEPTED = "accepted", "A real key whose presence is accepted."


@dataclass(frozen=True, slots=True)
class Ruling:
    """What was said of one key, until when; ``id`` is that of the change that made it."""

    id: str
    fingerprint: str
    triage_as: TriageAs
    until: datetime


@dataclass(frozen=True, slots=True)
class Triaged:
    """A report as the policy sees it, and the rulings that had a part in it."""

    report: Report
    rulings: tuple[Ruling, ...] = ()

    @property
    def fingerprints(self) -> frozenset[str]:
        """The keys that count as ``test``."""
        return frozenset(ruling.fingerprint for ruling in self.rulings)

    def bound(self, decision: Decision) -> Decision:
        """The decision, for no longer than the rulings hold, and with their names."""
        if not self.rulings:
            return decision
        until, cache = min(ruling.until for ruling in self.rulings), decision.cache_until
        said = tuple(
            f"triage {ruling.id}: {ruling.fingerprint} counted as test ({ruling.triage_as.value})"
            for ruling in self.rulings
        )
        return dataclasses.replace(
            decision,
            cache_until=None if cache is None else min(cache, until),
            audit=(*said, *decision.audit),
        )


class Rulings:
    """The rulings in force, one for each fingerprint."""

    def __init__(self, rulings: Iterable[Ruling] = ()) -> None:
        self._rulings = {ruling.fingerprint: ruling for ruling in rulings}

    def apply(self, report: Report, now: datetime) -> Triaged:
        """The report as the policy sees it at ``now``; protected keys are raised already."""
        used = tuple(
            ruling for finding in report.findings if (ruling := self._of(finding, now)) is not None
        )
        if not used:
            return Triaged(report)
        ruled = {ruling.fingerprint for ruling in used}
        findings = tuple(
            dataclasses.replace(finding, class_=FindingClass.TEST)
            if finding.fingerprint in ruled and finding.class_ is not FindingClass.PROTECTED
            else finding
            for finding in report.findings
        )
        return Triaged(dataclasses.replace(report, findings=findings), used)

    def _of(self, finding: Finding, now: datetime) -> Ruling | None:
        ruling = self._rulings.get(finding.fingerprint)
        protected = finding.class_ is FindingClass.PROTECTED
        return None if ruling is None or protected or ruling.until <= now else ruling
