"""Write ``docs/tables.md`` from the closed lists in the code, and the states into releases.md.

Usage: ``python tests/repository/tables.py docs`` (``make tables``).
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path

from lockgate import formats
from lockgate.agent.guard import errnos
from lockgate.controller.evidence import coverage, history
from lockgate.controller.refusals import RefusalReason
from lockgate.controller.release import diagram
from lockgate.controller.retention import settings as retention
from lockgate.scan import containers, report
from lockgate.scan.survey import SEARCHES
from lockgate.scan.words import Word
from lockgate.wire import agent as stream
from lockgate.wire import passport, transfer

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
    ("States of a guard", stream.GuardState),
    ("Capabilities on the stream", stream.Capability),
    ("Outcomes of a command", stream.CommandOutcome),
    ("Why a call is refused", RefusalReason),
    ("Why a passport is refused", passport.PassportFault),
    ("What is known of a zone at a moment", history.Cover),
    ("What is to be said of a host on a day", coverage.Day),
    ("What a transfer is kept as", retention.Kept),
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


def _scanned() -> Iterator[str]:
    """What the scanner knows, each with the first sentence of its module."""
    yield from _modules(
        "Key formats", [(f.name, f"lockgate.formats.{f.name}") for f in formats.ALL]
    )
    searches = [(name, s.__module__) for s in SEARCHES for name in s.names]
    yield from _modules("Searches without a marker", searches)
    yield from _modules("Dumps", [(d.name, type(d).__module__) for d in containers.DUMPS])
    yield from _modules(
        "Archives, and dumps that pack memory",
        [(a.name, type(a).__module__) for a in containers.ARCHIVES],
    )


def _modules(title: str, named: Sequence[tuple[str, str]]) -> Iterator[str]:
    yield f"## {title}"
    yield ""
    yield "| name | what it is |"
    yield "|---|---|"
    for name, module in named:
        words = " ".join((import_module(module).__doc__ or "").split("\n\n")[0].split())
        yield f"| `{name}` | {words.replace('|', '/')} |"
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
    lines.extend(_scanned())
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    docs = Path(sys.argv[1])
    (docs / "tables.md").write_text(render(), encoding="utf-8")
    releases = docs / "releases.md"
    releases.write_text(diagram.put_into(releases.read_text("utf-8")), encoding="utf-8")
