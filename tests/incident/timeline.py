"""What the replay left behind, read back from the controller and shown as a timeline.

Rules enforced here: every line is read from a record (ledger, transfers, incidents, alert file),
never from what the demo meant to do; a claim that a record does not bear out fails the demo.
"""

from __future__ import annotations

import errno
import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attempts import Attempt
from crash import Crash
from cryptography.hazmat.primitives import serialization
from parts import Controller, DidNotStartError, run

Row = dict[str, Any]


class UnprovenError(Exception):
    """A record does not bear out what the demo claims."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What happened, and the recorded transfers."""

    work: Path
    public: Path
    enforcing: bool
    core: Crash
    attempts: Sequence[Attempt]
    passes: Sequence[Attempt]
    transfers: Sequence[Row]


def _check(holds: object, claim: str) -> None:
    if not holds:
        raise UnprovenError(claim)


def _fingerprint(public: Path) -> str:
    key = serialization.load_pem_public_key(public.read_bytes())
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return (
        "sha256:" + hashlib.sha256(key.public_bytes(serialization.Encoding.DER, form)).hexdigest()
    )


def _line(moment: str, what: str, text: str, work: str) -> None:
    print(f"  {moment[11:23]:12}  {what:9}  {text.replace(work, '…')}")


def _opener(row: Row) -> str:
    opener = row.get("opener") or {}
    who = opener.get("command") or opener.get("executable") or "nobody"
    return f"`{who}` (pid {opener['pid']}, uid {opener.get('uid')})" if opener else who


def show(evidence: Evidence, controller: Controller) -> None:
    """Print the timeline and check each of its claims.

    Raises:
        UnprovenError: naming the claim that does not hold.
    """
    fingerprint = _fingerprint(evidence.public)
    dirty = [t for t in evidence.transfers if fingerprint in t["fingerprints"]]
    clean = [t for t in evidence.transfers if t["verdict"] == "ALLOW"]
    _check(dirty, "the controller has a transfer with the service's key")
    if evidence.enforcing:
        _check_enforced(evidence, clean)
    print(f"\nTimeline, as recorded (UTC; … stands for {evidence.work})")
    for transfer in sorted((*dirty, *clean), key=lambda t: t["attempted_at"]):
        _show_transfer(transfer, str(evidence.work))
    _show_key(fingerprint, controller)
    _show_ledger(dirty[0], controller)
    _show_alert(dirty[0], fingerprint, controller)
    stopped = "stopped at the border" if evidence.enforcing else "found and alerted, NOT blocked"
    print(f"\nThe dump with the signing key was {stopped}.")


def _check_enforced(evidence: Evidence, clean: Sequence[Row]) -> None:
    tried = [a for a in evidence.attempts if a.tried]
    _check(tried, "at least one way out was tried")
    for attempt in tried:
        _check(not attempt.arrived, f"{attempt.way}: no byte of the core arrived outside")
    for attempt in evidence.passes:
        _check(attempt.arrived, f"a clean file passes ({attempt.message})")
    _check(len(clean) >= len(evidence.passes), "each clean file has a recorded ALLOW")


def _show_transfer(row: Row, work: str) -> None:
    found = ", ".join(row["fingerprints"]) or "no key material"
    rule = f"by rule `{row['rule']}`" if row["rule"] else f"because of {row['hold_reason']}"
    message = f": {row['message']}" if row["message"] else ""
    entry = f" (ledger entry {row['ledger_index']})"
    tried = f"{_opener(row)} opened {row['path']}" if row["opener"] else f"written: {row['path']}"
    _line(row["attempted_at"], "tried" if row["opener"] else "seen", tried, work)
    _line(row["decided_at"], "found", f"{row['outcome']}: {found}", work)
    _line(row["decided_at"], "verdict", f"{row['verdict']} {rule}{message}{entry}", work)
    for receipt in row["receipts"]:
        _line(receipt["enforced_at"], "enforced", _enforced(row, receipt), work)


def _enforced(row: Row, receipt: Row) -> str:
    text = str(receipt["enforcement"])
    if receipt["errno_value"]:
        text += f" with {errno.errorcode[receipt['errno_value']]}"
    if receipt["quarantine_path"]:
        text += f"; the file is now {receipt['quarantine_path']}"
    if receipt["opener"] != row["opener"]:
        text += f"; a further try, by {_opener(receipt)} at {receipt['path']}"
    return text


def _show_key(fingerprint: str, controller: Controller) -> None:
    incidents = [i for i in controller.read("incidents") if i["fingerprint"] == fingerprint]
    _check(incidents, "the key has an incident")
    key = incidents[0]
    print("\nKey to revoke")
    print(f"  {key['algorithm']} {key['bits']} bits, protected as `{key['protected_name']}`")
    print(f"  {fingerprint}")
    print("  equals the service's public key: yes, computed from the core and from the PEM apart")


def _show_ledger(row: Row, controller: Controller) -> None:
    index = str(row["ledger_index"])
    proof = json.loads(
        _once_signed("ledger", "prove", index, "--dir", str(controller.state), "--json")
    )
    _check(proof["verified"], "the inclusion proof of the decision verifies")
    verified = run("ledger", "verify", str(controller.state)).strip()
    print("\nLedger")
    print(
        f"  entry {index} of {proof['size']}: inclusion proof verified, root {proof['root'][:16]}…"
    )
    print(f"  {verified.splitlines()[-1]}")


def _once_signed(*arguments: str) -> str:
    """The command's output, once the controller has signed a checkpoint that covers it."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return run(*arguments)
        except DidNotStartError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def _alerts(controller: Controller) -> Iterator[Row]:
    for line in (controller.state / "alerts.jsonl").read_text().splitlines():
        yield json.loads(line)


def _show_alert(row: Row, fingerprint: str, controller: Controller) -> None:
    path = row["path"]
    sent = [a for a in _alerts(controller) if fingerprint in json.dumps(a)]
    _check(sent, f"an alert about {path} left")
    done = [a for a in sent if a["activity_name"] == "Update"]  # what the agent did, by receipt
    alert = (done or sent)[0]
    print("\nAlert as it left (OCSF Data Security Finding)")
    shown = {
        k: alert[k]
        for k in ("class_uid", "severity", "action", "disposition", "message")
        if k in alert
    }
    print(f"  {json.dumps(shown)}")
