"""Passports: the signed statement that bytes with this SHA-256 were scanned and may cross.

Rules enforced here:

1. A passport is an in-toto Statement (v1) in a DSSE envelope (v1), signed with Ed25519 over
   the pre-authentication encoding, so that stock tools can verify it.
2. It speaks of one SHA-256 and says what was looked at and with which rules, under which
   policy, for which boundary and zone, and until when.
3. A passport is given only for an ALLOW of a clean report.
4. Verification is total: whatever is not a valid passport is a :class:`PassportError`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from lockgate.scan.report import Outcome, Report
from lockgate.wire.transfer import Decision, Transfer, Verdict

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://lockgate.dev/passport/v1"
LIFE = timedelta(days=7)

_TIME = "%Y-%m-%dT%H:%M:%SZ"


class PassportError(Exception):
    """Not a passport, not signed by this key, for other bytes, or expired."""


@dataclass(frozen=True, slots=True)
class Passport:
    """A verified passport. ``predicate`` holds all that it says."""

    sha256: str
    zone: str
    boundary: str
    expires: datetime
    predicate: Mapping[str, Any]


def sign(
    report: Report, transfer: Transfer, decision: Decision, key: Ed25519PrivateKey, now: datetime
) -> bytes:
    """The passport of a transfer that was allowed: a DSSE envelope as JSON.

    Raises:
        ValueError: it was not allowed, or the report is not clean.
    """
    clean = report.outcome is Outcome.CLEAN and report.sha256 is not None
    if decision.verdict is not Verdict.ALLOW or not clean:
        raise ValueError("a passport is for an ALLOW of a clean report")
    payload = _json(_statement(report, transfer, decision, now))
    public = key.public_key().public_bytes_raw()
    signature = {
        "keyid": hashlib.sha256(public).hexdigest(),
        "sig": _base64(key.sign(_encoding(payload))),
    }
    return _json(
        {"payloadType": PAYLOAD_TYPE, "payload": _base64(payload), "signatures": [signature]}
    )


def _statement(
    report: Report, transfer: Transfer, decision: Decision, now: datetime
) -> dict[str, Any]:
    engine = report.engine
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": transfer.transfer_id, "digest": {"sha256": report.sha256}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "transferId": transfer.transfer_id,
            "zone": transfer.zone.name,
            "boundary": transfer.boundary.value,
            "host": transfer.host,
            "policyDigest": {"sha256": decision.policy_digest},
            "rule": decision.rule,
            "coverage": {"size": report.size, "bytesScanned": report.bytes_scanned, "gaps": 0},
            "engine": {"version": engine.version, "profile": engine.profile},
            "rulePack": engine.rule_pack,
            "searches": list(engine.searches),
            "issued": now.astimezone(UTC).strftime(_TIME),
            "expires": (now + LIFE).astimezone(UTC).strftime(_TIME),
        },
    }


def verify(envelope: bytes, key: Ed25519PublicKey, sha256: str, now: datetime) -> Passport:
    """The passport in ``envelope``, if ``key`` signed it for the bytes with this SHA-256.

    Raises:
        PassportError: see there.
    """
    try:
        outer = json.loads(envelope)
        payload = base64.b64decode(outer["payload"], validate=True)
        signatures = [base64.b64decode(s["sig"], validate=True) for s in outer["signatures"]]
        typed = outer["payloadType"] == PAYLOAD_TYPE
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error):
        raise PassportError("not a DSSE envelope") from None
    if not typed or not any(_signed(key, signature, payload) for signature in signatures):
        raise PassportError("not signed by this key")
    passport = _read(payload)
    if passport.sha256 != sha256:
        raise PassportError("the passport is for other bytes")
    if now >= passport.expires:
        raise PassportError("the passport has expired")
    return passport


def _read(payload: bytes) -> Passport:
    try:
        statement = json.loads(payload)
        predicate = statement["predicate"]
        if (statement["_type"], statement["predicateType"]) != (STATEMENT_TYPE, PREDICATE_TYPE):
            raise PassportError("a signed statement, but not a passport")
        return Passport(
            sha256=str(statement["subject"][0]["digest"]["sha256"]),
            zone=str(predicate["zone"]),
            boundary=str(predicate["boundary"]),
            expires=datetime.strptime(predicate["expires"], _TIME).replace(tzinfo=UTC),
            predicate=predicate,
        )
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        raise PassportError("a signed statement, but not a passport") from None


def _signed(key: Ed25519PublicKey, signature: bytes, payload: bytes) -> bool:
    try:
        key.verify(signature, _encoding(payload))
    except InvalidSignature:
        return False
    return True


def _encoding(payload: bytes) -> bytes:
    """The pre-authentication encoding of DSSE v1."""
    return b"DSSEv1 %d %s %d %s" % (
        len(PAYLOAD_TYPE),
        PAYLOAD_TYPE.encode("ascii"),
        len(payload),
        payload,
    )


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
