"""Write ``docs/tables.md`` from the closed lists in the code.

Usage: ``python tests/repository/tables.py docs/tables.md`` (``make tables``).
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from pathlib import Path

from lockgate.agent.guard import errnos
from lockgate.scan import report
from lockgate.scan.words import Word
from lockgate.wire import transfer

LISTS: tuple[tuple[str, type[Word]], ...] = (
    ("Outcomes of a report", report.Outcome),
    ("Kinds of finding", report.FindingKind),
    ("Classes of finding", report.FindingClass),
    ("Gap reasons", report.GapReason),
    ("Proofs", report.Proof),
    ("Boundaries", transfer.Boundary),
    ("Verdicts", transfer.Verdict),
    ("Hold reasons", transfer.HoldReason),
    ("Enforcements", transfer.Enforcement),
    ("Guard changes", transfer.GuardChange),
)


def _section(title: str, words: type[Word]) -> Iterator[str]:
    yield f"## {title}"
    yield ""
    yield "| word | meaning |"
    yield "|---|---|"
    for word in words:
        yield f"| `{word.value}` | {word.explanation} |"
    yield ""


def _errnos() -> Iterator[str]:
    yield "## Errno at a guarded open"
    yield ""
    yield "Where the kernel has no FAN_DENY_ERRNO, every refusal is EPERM."
    yield ""
    yield "| verdict | hold reason | errno |"
    yield "|---|---|---|"
    for verdict in (transfer.Verdict.BLOCK, transfer.Verdict.QUARANTINE):
        yield f"| `{verdict.value}` | | {_name(transfer.Decision(verdict))} |"
    for reason in transfer.HoldReason:
        yield f"| `HOLD` | `{reason.value}` | {_name(transfer.hold(reason))} |"
    yield ""


def _name(decision: transfer.Decision) -> str:
    return errno.errorcode[errnos.errno_of(decision)]


def render() -> str:
    """The whole page."""
    lines = [
        "# Tables",
        "",
        "Every closed list of Lockgate, generated from the code by `make tables`; a test keeps",
        "this page and the code equal.",
        "",
    ]
    for title, words in LISTS:
        lines.extend(_section(title, words))
    lines.extend(_errnos())
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render(), encoding="utf-8")
