"""Bounds of the fields of ``report.proto``."""

from __future__ import annotations

from lockgate.wire.bounds.bound import FINGERPRINT, HEX_OR_EMPTY, MEMBER, SENTENCE, SHORT, Bound
from lockgate.wire.convert.report import (
    MOST_FINDINGS,
    MOST_GAPS,
    MOST_OCCURRENCES,
    MOST_SEARCHES,
)
from lockgate.wire.convert.values import SHORT_TEXT

BOUNDS = {
    "Occurrence.format": SHORT,
    "Occurrence.member": MEMBER,
    "Finding.algorithm": SHORT,
    "Finding.fingerprint": FINGERPRINT,
    "Finding.proofs": Bound(items=32),
    "Finding.occurrences": Bound(items=MOST_OCCURRENCES),
    "Finding.protected_name": SHORT,
    "Gap.member": MEMBER,
    "Gap.detail": SENTENCE,
    "Engine.version": SHORT,
    "Engine.rule_pack": SHORT,
    "Engine.profile": SHORT,
    "Engine.searches": Bound(SHORT_TEXT, items=MOST_SEARCHES),
    "Engine.salt": SHORT,
    "Report.sha256": HEX_OR_EMPTY,
    "Report.findings": Bound(items=MOST_FINDINGS),
    "Report.gaps": Bound(items=MOST_GAPS),
}
