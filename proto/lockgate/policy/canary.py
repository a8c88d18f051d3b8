"""Canaries: keys that agents make to see that the guard refuses them.

Rules enforced here:

1. A canary may never cross, and is never worth more than a refusal: the verdict is BLOCK, for
   every opener, without a page and without a move into quarantine.
2. A canary hides nothing: what else is in the file is decided as if the canary were not there,
   and the stricter verdict counts.
"""

from __future__ import annotations

from dataclasses import replace

from lockgate.scan.report import Finding, FindingClass, Report
from lockgate.wire.transfer import Decision, Verdict

#: The name under which agents register the public halves of their canaries.
CANARY = "lockgate-canary"


def is_canary(finding: Finding) -> bool:
    """Whether a finding is a canary; ``class_`` protected, as the registry made it."""
    return finding.class_ is FindingClass.PROTECTED and finding.protected_name == CANARY


def without_canaries(report: Report) -> Report:
    """The report without its canaries; the same object when it has none."""
    others = tuple(finding for finding in report.findings if not is_canary(finding))
    return report if len(others) == len(report.findings) else replace(report, findings=others)


def block(policy_digest: str) -> Decision:
    """The decision about a file with nothing but canaries."""
    return Decision(
        verdict=Verdict.BLOCK,
        rule="canary",
        message="a canary of this agent: the guard proves that it holds",
        policy_digest=policy_digest,
        opener_independent=True,
    )
