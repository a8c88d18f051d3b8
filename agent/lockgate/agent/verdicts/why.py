"""Why an open was refused, in sentences: what the journal knows of one file.

Rules enforced here:

1. A file is found by its path or by its device and inode, so that a hard link explains itself.
   It is never opened for that.
2. Every explanation ends with what to do.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lockgate.agent.ports import Progress
from lockgate.agent.verdicts import who
from lockgate.scan.names import escape_name
from lockgate.scan.report import GapReason
from lockgate.wire.transfer import Enforcement, HoldReason

_ADVICE = {
    "ALLOW": "Nothing: the file may be read.",
    "BLOCK": "Use a copy without the key, or ask the zone's owner for a release.",
    "QUARANTINE": (
        "The key is protected: have its owner decide whether to revoke it. "
        "`lockgate agent quarantine list` shows where the file is."
    ),
    "HOLD": "Wait for who is named above, or ask the zone's owner.",
}
_RETRY = {
    HoldReason.SCAN_PENDING,
    HoldReason.DEADLINE,
    HoldReason.CHANGED,
    HoldReason.OVERLOAD,
    HoldReason.WORKER_LOST,
}
_REPAIR = {
    HoldReason.CONTROLLER_UNREACHABLE: "See `lockgate agent status` and the controller.",
    HoldReason.CERTIFICATE: "Enrol this host again: `lockgate agent enrol`.",
    HoldReason.SPOOL_FULL: "Free space in the state folder, or bring the controller back.",
    HoldReason.STORE_FULL: "Free space on the controller.",
    HoldReason.AGENT_DOWN: "Start the agent.",
    HoldReason.RULE_PACK: "Install the agent's rules again; see `lockgate agent status`.",
    HoldReason.POLICY_ERROR: "Have the policy looked at; the zone's owner decides meanwhile.",
    HoldReason.NO_RULE: "Have a rule for such files added to the policy.",
    HoldReason.UNKNOWN_VALUE: "Bring agent and controller to versions that fit.",
}


@dataclass(frozen=True, slots=True)
class Explained:
    """The last decision on a file, the last attempt on it, and how far a running scan is."""

    decision: dict[str, Any] | None
    receipt: dict[str, Any] | None
    progress: Progress | None = None


def last(entries: Iterable[dict[str, Any]], path: Path) -> Explained:
    """What the journal's ``entries`` say last of ``path``."""
    name = escape_name(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links
    status = status_of(path)
    inode = (status.st_dev, status.st_ino) if status else None
    decision = receipt = None
    transfers: set[str] = set()
    for entry in entries:
        if entry.get("event") == "decision" and _is_of(entry["transfer"], name, inode):
            decision = entry
            transfers.add(entry["transfer"]["transfer_id"])
        elif entry.get("event") == "enforcement":
            fact = entry["receipt"]
            if fact["path"] == name or fact["transfer_id"] in transfers:
                receipt = entry
    return Explained(decision, receipt)


def status_of(path: Path) -> os.stat_result | None:
    """The file's numbers, which no guard asks about; None: it is not there."""
    try:
        return path.stat()
    except OSError:
        return None


def _is_of(transfer: dict[str, Any], name: str, inode: tuple[int, int] | None) -> bool:
    identity = transfer["identity"]
    return transfer["path"] == name or (identity["device"], identity["inode"]) == inode


def sentences(explained: Explained) -> Iterator[str]:
    """The explanation, one sentence a line."""
    if explained.progress is not None:
        yield _running(explained.progress)
    if explained.receipt is not None:
        yield from _attempt(explained.receipt)
    if explained.decision is not None:
        yield from _findings(explained.decision["report"])
        yield _verdict(explained.decision["decision"])
    elif explained.receipt is not None:
        yield _verdict(explained.receipt["receipt"])
    yield f"What to do: {_advice(explained)}"


def _running(progress: Progress) -> str:
    done = f"{progress.done_bytes:,} of {progress.total_bytes:,} bytes"
    return f"It is being scanned now: {done}, about {_seconds(progress)} more."


def _seconds(progress: Progress) -> str:
    seconds = max(1, round(progress.remaining_s))
    return "a second" if seconds == 1 else f"{seconds} seconds"


def _attempt(entry: dict[str, Any]) -> Iterator[str]:
    receipt = entry["receipt"]
    yield f"At {receipt['enforce_time']}, {_event(receipt)}."
    if receipt["errno_value"]:
        error = os.strerror(receipt["errno_value"])
        yield f'It got the error "{error}" instead of the file.'
    yield from who.circumstances(receipt["opener"] or {})
    if receipt["quarantine_path"]:
        yield f"The file was moved to {receipt['quarantine_path']}."


def _event(receipt: dict[str, Any]) -> str:
    """What happened; only a guarded open knows who, and was stopped or not."""
    opener, path = receipt["opener"], receipt["path"]
    if opener:
        did = "tried to read" if receipt["errno_value"] else "was let in to read"
        return f"{who.process(opener)} {did} {path}"
    match Enforcement(receipt["enforcement"]):
        case Enforcement.RESTORED:
            return f"{path} was put back from quarantine"
        case Enforcement.NOT_ENFORCED:
            return f"{path} was looked at; nothing was stopped"
        case _:
            return f"{path} was judged"


def _findings(report: dict[str, Any]) -> Iterator[str]:
    for finding in report["findings"]:
        name = f', registered as "{finding["protected_name"]}"' if finding["protected_name"] else ""
        yield (
            f"The scan found a {finding['algorithm']} {finding['kind']} of {finding['bits']} bits "
            f"(class {finding['class']}{name}) at byte {finding['offset']}; "
            f"fingerprint {finding['fingerprint']}."
        )
    for gap in report["gaps"]:
        reason = GapReason(gap["reason"])
        yield f"Not looked at ({reason.value}): {reason.explanation} {gap['detail']}".rstrip()
    if not report["findings"] and not report["gaps"]:
        yield "The scan found nothing."


def _verdict(decision: dict[str, Any]) -> str:
    reason = decision["hold_reason"]
    text = f"The verdict is {decision['verdict']}"
    text += f" ({HoldReason(reason).value}: {HoldReason(reason).explanation})" if reason else ""
    text += f", by the rule {decision['rule']}" if decision.get("rule") else ""
    text += f", until {decision['wait_for']} decides" if decision.get("wait_for") else ""
    message = decision.get("message")
    return f"{text}." + (f" {message}" if message and not reason else "")


def _advice(explained: Explained) -> str:
    if explained.progress is not None:
        return f"Try again in about {_seconds(explained.progress)}."
    source = explained.decision["decision"] if explained.decision else None
    source = source or (explained.receipt["receipt"] if explained.receipt else None)
    if source is None:
        return "Nothing is known of this file; open it, and ask again."
    reason = HoldReason(source["hold_reason"]) if source["hold_reason"] else None
    if reason is HoldReason.LIVE_WRITER:
        return "Try again when it is closed, or have a copy judged: `lockgate agent release PATH`."
    if reason in _RETRY:
        return "Try again."
    if reason in _REPAIR:
        return _REPAIR[reason]
    return _ADVICE[source["verdict"]]
