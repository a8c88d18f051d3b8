"""The signed list of revoked passports, which a receiver keeps beside the public key.

Rules enforced here:

1. A list is a DSSE envelope of a type of its own, signed with the passports' key. It has a
   sequence number that only grows, and an expiry: a receiver with an old list knows that it is old.
2. A rule names one transfer, or a host (and a zone) and the time in which it asked: passports
   nobody has written down one by one are revoked too.
3. Reading is total: whatever is not a valid list is a :class:`RevocationError`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from lockgate.wire import dsse
from lockgate.wire.passport import (
    CLOCK_TOLERANCE,
    TIME,
    Passport,
    PassportError,
    PassportFault,
    time_of,
)

PAYLOAD_TYPE = "application/vnd.lockgate.revocations.v1+json"


class RevocationError(Exception):
    """Not a list of this key, or too old; the text says which."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What is revoked: the passports of ``transfer_id``, or of what ``host`` asked for.

    ``zone`` "": every zone of the host. ``since`` and ``until`` are included.
    """

    reason: str
    transfer_id: str = ""
    host: str = ""
    zone: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def revokes(self, passport: Passport) -> bool:
        """Whether this passport is meant."""
        if self.transfer_id:
            return passport.transfer_id == self.transfer_id
        return (
            passport.host == self.host
            and self.zone in {"", passport.from_zone}
            and (self.since is None or self.since.replace(microsecond=0) <= passport.issued)
            and (self.until is None or passport.issued <= self.until)
        )


@dataclass(frozen=True, slots=True)
class RevocationList:
    """A list as it stood when it was issued."""

    sequence: int
    issued: datetime
    expires: datetime
    rules: tuple[Rule, ...]

    def check(self, passport: Passport) -> None:
        """Nothing, if the passport is not revoked.

        Raises:
            PassportError: it is.
        """
        for rule in self.rules:
            if rule.revokes(passport):
                raise PassportError(PassportFault.REVOKED, rule.reason)


def sign(made: RevocationList, key: Ed25519PrivateKey) -> bytes:
    """The envelope of a list."""
    statement = {
        "sequence": made.sequence,
        "issued": made.issued.astimezone(UTC).strftime(TIME),
        "expires": made.expires.astimezone(UTC).strftime(TIME),
        "revoked": rules_as_json(made.rules),
    }
    return dsse.sign(PAYLOAD_TYPE, statement, key)


def rules_as_json(rules: Iterable[Rule]) -> list[dict[str, Any]]:
    """The rules as they stand in a list."""
    return [_as_json(rule) for rule in rules]


def _as_json(rule: Rule) -> dict[str, Any]:
    if rule.transfer_id:
        return {"transferId": rule.transfer_id, "reason": rule.reason}
    return {
        "host": rule.host,
        "zone": rule.zone,
        "since": None if rule.since is None else rule.since.astimezone(UTC).strftime(TIME),
        "until": None if rule.until is None else rule.until.astimezone(UTC).strftime(TIME),
        "reason": rule.reason,
    }


def read(
    envelope: bytes, key: Ed25519PublicKey, now: datetime, at_least: int = 0
) -> RevocationList:
    """The list in ``envelope``; ``at_least``: the largest sequence number seen before.

    Raises:
        RevocationError: see there.
    """
    try:
        said = json.loads(dsse.opened(PAYLOAD_TYPE, envelope, key))
        rules = tuple(_rule(each) for each in said["revoked"])
        expires = time_of(said["expires"])
        made = RevocationList(int(said["sequence"]), time_of(said["issued"]), expires, rules)
    except dsse.EnvelopeError:
        raise RevocationError("not a list of revocations signed by this key") from None
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        raise RevocationError("signed, but not a list of revocations") from None
    if made.sequence < at_least:
        raise RevocationError(f"number {made.sequence} is older than {at_least}, seen before")
    if now < made.issued - CLOCK_TOLERANCE:
        raise RevocationError(f"issued in the future, at {made.issued:{TIME}}; is the clock right?")
    if now >= made.expires:
        raise RevocationError(f"expired at {made.expires:{TIME}}; get a newer one")
    return made


def _rule(said: dict[str, Any]) -> Rule:
    reason = str(said["reason"])
    if "transferId" in said:
        return Rule(reason, transfer_id=str(said["transferId"]))
    since, until = said["since"], said["until"]
    return Rule(
        reason=reason,
        host=str(said["host"]),
        zone=str(said["zone"]),
        since=None if since is None else time_of(since),
        until=None if until is None else time_of(until),
    )
