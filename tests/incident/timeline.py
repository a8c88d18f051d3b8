"""What the replay left behind, read back from the controller and shown as a timeline.

Rules enforced here: every line is read from a record (ledger, transfers, incidents, alert file),
never from what the demo meant to do; a claim that a record does not bear out fails the demo.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attempts import Attempt
from crash import Crash
from cryptography.hazmat.primitives import serialization
from parts import Controller, run

Row = dict[str, Any]


class UnprovenError(Exception):
    """A record does not bear out what the demo claims."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What happened, and the recorded transfers."""

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


def _line(time: str, what: str, text: str) -> None:
    print(f"  {time[11:23]:12}  {what:11}  {text}")


def _opener(row: Row) -> str:
    opener = row.get("opener") or {}
    who = opener.get("command") or opener.get("executable") or "nobody yet"
    return f"{who} (pid {opener['pid']}, uid {opener.get('uid')})" if opener else who


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
    print("\nTimeline, as recorded (UTC)")
    for transfer in sorted((*dirty, *clean), key=lambda t: t["attempted_at"]):
        _show_transfer(transfer)
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


def _show_transfer(row: Row) -> None:
    reason = f", {row['hold_reason']}" if row["hold_reason"] else ""
    _line(row["attempted_at"], "tried", f"{_opener(row)} at {row['path']}")
    _line(row["decided_at"], "found", f"{row['outcome']}: {', '.join(row['fingerprints']) or '-'}")
    verdict = f"{row['verdict']} by rule {row['rule'] or '-'}{reason}: {row['message']}"
    _line(row["decided_at"], "verdict", f"{verdict} (ledger entry {row['ledger_index']})")
    for receipt in row["receipts"]:
        where = f", now {receipt['quarantine_path']}" if receipt["quarantine_path"] else ""
        what = f"{receipt['enforcement']}{where}, for {_opener(receipt)} at {receipt['path']}"
        _line(receipt["enforced_at"], "enforced", what)


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
    proof = json.loads(run("ledger", "prove", index, "--dir", str(controller.state), "--json"))
    _check(proof["verified"], "the inclusion proof of the decision verifies")
    verified = run("ledger", "verify", str(controller.state)).strip()
    print("\nLedger")
    print(
        f"  entry {index} of {proof['size']}: inclusion proof verified, root {proof['root'][:16]}…"
    )
    print(f"  {verified.splitlines()[-1]}")


def _alerts(controller: Controller) -> Iterator[Row]:
    for line in (controller.state / "alerts.jsonl").read_text().splitlines():
        yield json.loads(line)


def _show_alert(row: Row, fingerprint: str, controller: Controller) -> None:
    path = row["path"]
    sent = [a for a in _alerts(controller) if fingerprint in json.dumps(a)]
    _check(sent, f"an alert about {path} left")
    alert = sent[0]
    print("\nAlert as it left (OCSF Data Security Finding)")
    shown = {
        k: alert[k]
        for k in ("class_uid", "severity", "action", "disposition", "message")
        if k in alert
    }
    print(f"  {json.dumps(shown)}")
