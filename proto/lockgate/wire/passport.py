"""Passports: the signed statement that bytes with this SHA-256 were scanned and may cross.

Rules enforced here:

1. A passport is an in-toto Statement (v1) in a DSSE envelope, so that stock tools can verify it.
2. It speaks of one SHA-256 and says what was looked at and with which rules, under which policy,
   from which zone over which boundary, to which zone and recipient, and until when.
3. A passport is given only for an ALLOW of a clean report.
4. Verification is total: whatever is not a valid passport for what it is shown for is a
   :class:`PassportError` with a word of a closed list. Where something is asked for that the
   passport does not say, it is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from lockgate.scan.report import Outcome, Report
from lockgate.scan.words import Word
from lockgate.wire import dsse
from lockgate.wire.transfer import Decision, Transfer, Verdict

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://lockgate.dev/passport/v1"
LIFE = timedelta(days=7)
#: By how much the clocks of two sites may differ.
CLOCK_TOLERANCE = timedelta(minutes=5)

TIME = "%Y-%m-%dT%H:%M:%SZ"


class PassportFault(Word):
    """Why a passport is refused."""

    NOT_SIGNED = "not-signed", "Not a DSSE envelope, or not signed by this key."
    NOT_A_PASSPORT = "not-a-passport", "A signed statement, but not a passport."
    OTHER_BYTES = "other-bytes", "The passport is for other bytes."
    EXPIRED = "expired", "The passport has expired."
    NOT_YET_VALID = "not-yet-valid", "The passport was issued in the future; is the clock right?"
    OTHER_FROM_ZONE = "other-from-zone", "The passport is for files of another zone."
    OTHER_TO_ZONE = "other-to-zone", "The passport does not name this receiving zone."
    OTHER_BOUNDARY = "other-boundary", "The passport is for another boundary."
    OTHER_RECIPIENT = "other-recipient", "The passport does not name this recipient."
    REVOKED = "revoked", "The passport has been revoked."
    REVOCATION_LIST = "revocation-list", "The list of revocations cannot be relied on."


class PassportError(Exception):
    """A passport is refused."""

    def __init__(self, fault: PassportFault, detail: str = "") -> None:
        super().__init__(fault.explanation + (f" ({detail})" if detail else ""))
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Terms:
    """For whom and how long. An empty ``to_zone`` or ``recipient`` names nobody."""

    to_zone: str = ""
    recipient: str = ""
    life: timedelta = LIFE


@dataclass(frozen=True, slots=True)
class Passport:
    """A verified passport. ``predicate`` holds all that it says."""

    sha256: str
    transfer_id: str
    host: str
    from_zone: str
    to_zone: str
    boundary: str
    recipient: str
    issued: datetime
    expires: datetime
    predicate: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Crossing:
    """What a receiver knows of the way of a file; None: not asked."""

    from_zone: str | None = None
    to_zone: str | None = None
    boundary: str | None = None
    recipient: str | None = None


def sign(
    report: Report,
    transfer: Transfer,
    decision: Decision,
    key: Ed25519PrivateKey,
    now: datetime,
    terms: Terms | None = None,
) -> bytes:
    """The passport of a transfer that was allowed: a DSSE envelope as JSON.

    Raises:
        ValueError: it was not allowed, or the report is not clean.
    """
    clean = report.outcome is Outcome.CLEAN and report.sha256 is not None
    if decision.verdict is not Verdict.ALLOW or not clean:
        raise ValueError("a passport is for an ALLOW of a clean report")
    statement = _statement(report, transfer, decision, now, terms or Terms())
    return dsse.sign(PAYLOAD_TYPE, statement, key)


def _statement(
    report: Report, transfer: Transfer, decision: Decision, now: datetime, terms: Terms
) -> dict[str, Any]:
    engine = report.engine
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": transfer.transfer_id, "digest": {"sha256": report.sha256}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "transferId": transfer.transfer_id,
            "fromZone": transfer.zone.name,
            "toZone": terms.to_zone,
            "boundary": transfer.boundary.value,
            "recipient": terms.recipient,
            "host": transfer.host,
            "policyDigest": {"sha256": decision.policy_digest},
            "rule": decision.rule,
            "coverage": {"size": report.size, "bytesScanned": report.bytes_scanned, "gaps": 0},
            "engine": {"version": engine.version, "profile": engine.profile},
            "rulePack": engine.rule_pack,
            "searches": list(engine.searches),
            "issued": _time_text(now),
            "expires": _time_text(now + terms.life),
        },
    }


def _time_text(time: datetime) -> str:
    """A time as passports say it: that of :data:`TIME`, at a tenth of what strftime costs."""
    whole = time.astimezone(UTC).replace(microsecond=0, tzinfo=None)
    return f"{whole.isoformat()}Z"


def verify(
    envelope: bytes,
    key: Ed25519PublicKey,
    sha256: str,
    now: datetime,
    crossing: Crossing | None = None,
) -> Passport:
    """The passport in ``envelope``, if ``key`` signed it for these bytes and this crossing.

    Raises:
        PassportError: see there.
    """
    try:
        passport = _read(dsse.opened(PAYLOAD_TYPE, envelope, key))
    except dsse.EnvelopeError:
        raise PassportError(PassportFault.NOT_SIGNED) from None
    if passport.sha256 != sha256:
        raise PassportError(PassportFault.OTHER_BYTES)
    if now >= passport.expires:
        raise PassportError(PassportFault.EXPIRED, f"{passport.expires:{TIME}}")
    if now < passport.issued - CLOCK_TOLERANCE:
        raise PassportError(PassportFault.NOT_YET_VALID, f"{passport.issued:{TIME}}")
    _check(passport, crossing or Crossing())
    return passport


def _check(passport: Passport, crossing: Crossing) -> None:
    wanted = (
        (crossing.from_zone, passport.from_zone, PassportFault.OTHER_FROM_ZONE),
        (crossing.to_zone, passport.to_zone, PassportFault.OTHER_TO_ZONE),
        (crossing.boundary, passport.boundary, PassportFault.OTHER_BOUNDARY),
        (crossing.recipient, passport.recipient, PassportFault.OTHER_RECIPIENT),
    )
    for expected, said, fault in wanted:
        if expected is not None and (not said or expected != said):
            raise PassportError(fault, f"it names {said}" if said else "it names none")


def _read(payload: bytes) -> Passport:
    try:
        statement = json.loads(payload)
        predicate = statement["predicate"]
        if (statement["_type"], statement["predicateType"]) != (STATEMENT_TYPE, PREDICATE_TYPE):
            raise PassportError(PassportFault.NOT_A_PASSPORT)
        (subject,), coverage = statement["subject"], predicate["coverage"]
        if not predicate["rulePack"] or coverage["gaps"] != 0 or int(coverage["bytesScanned"]) < 0:
            raise PassportError(PassportFault.NOT_A_PASSPORT)
        return Passport(
            sha256=str(subject["digest"]["sha256"]),
            transfer_id=str(predicate["transferId"]),
            host=str(predicate["host"]),
            from_zone=str(predicate["fromZone"]),
            to_zone=str(predicate["toZone"]),
            boundary=str(predicate["boundary"]),
            recipient=str(predicate["recipient"]),
            issued=time_of(predicate["issued"]),
            expires=time_of(predicate["expires"]),
            predicate=predicate,
        )
    except (ValueError, LookupError, TypeError, OverflowError, RecursionError):
        raise PassportError(PassportFault.NOT_A_PASSPORT) from None


def time_of(text: str) -> datetime:
    """A time of a passport.

    Raises:
        ValueError, TypeError: it is none.
    """
    return datetime.strptime(text, TIME).replace(tzinfo=UTC)
