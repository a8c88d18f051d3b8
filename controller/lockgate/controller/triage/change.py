"""The change of kind ``triage``: a key is known, or accepted, until a day.

Rules enforced here:

1. A content is JSON ``{"fingerprint", "as", "reason", "until"}``; ``until`` is RFC 3339 and lies
   at most a year ahead.
2. A protected key is not triaged.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from lockgate.controller import clock
from lockgate.controller.appending import Ledger
from lockgate.controller.changes.contents import fields_of
from lockgate.controller.changes.kinds import Approval
from lockgate.controller.clock import rfc3339
from lockgate.controller.people.roles import Role
from lockgate.controller.refusals import Refusal, RefusalReason
from lockgate.controller.registry import keys
from lockgate.controller.triage import store
from lockgate.controller.triage.rulings import Ruling, TriageAs
from lockgate.scan.names import escape_name

#: How far ahead a ruling may end.
LONGEST = timedelta(days=366)
_FINGERPRINT = re.compile(r"(hmac-sha256|blob-sha256|sha256):[0-9a-f]{64}")
_LONGEST_REASON = 1024


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is to be said of a key."""

    fingerprint: str
    triage_as: TriageAs
    reason: str
    until: datetime


class TriageChange:
    """See the module."""

    name = "triage"
    roles = frozenset({Role.SECURITY, Role.SERVICE_OWNER})

    def check(self, connection: Connection, content: bytes) -> Refusal | None:
        """Whether the content can be read, ends in time, and is on no protected key."""
        try:
            proposal = read(content)
        except ValueError as error:
            return Refusal(RefusalReason.MALFORMED, str(error))
        ahead = proposal.until - clock.now()
        if not timedelta(0) < ahead <= LONGEST:
            detail = f"until: not within {LONGEST.days} days from now"
            return Refusal(RefusalReason.MALFORMED, detail)
        known = keys.find(connection, proposal.fingerprint)
        if known is not None and known.removed_at is None:
            return Refusal(RefusalReason.CONFLICT, "the key is protected")
        return None

    def summary(self, content: bytes) -> str:
        """The key, what it is said to be, and until when."""
        said = read(content)
        return f"{said.fingerprint}: {said.triage_as.value} until {rfc3339(said.until)}"

    def apply(
        self,
        connection: Connection,
        ledger: Ledger,
        content: bytes,
        approval: Approval,
        now: datetime,
    ) -> None:
        """Write it."""
        said = read(content)
        ruling = Ruling(approval.change_id, said.fingerprint, said.triage_as, said.until)
        store.make(connection, ledger, ruling, said.reason, approval, now)


def write(proposal: Proposal) -> bytes:
    """The content of a proposal."""
    said = {
        "fingerprint": proposal.fingerprint,
        "as": proposal.triage_as.value,
        "reason": proposal.reason,
        "until": rfc3339(proposal.until),
    }
    return json.dumps(said, sort_keys=True).encode()


def read(content: bytes) -> Proposal:
    """The proposal of a content.

    Raises:
        ValueError: it is none; the text says why.
    """
    try:
        said = fields_of(content, "fingerprint", "as", "reason", "until")
        fingerprint, reason = said["fingerprint"], escape_name(said["reason"].strip())
        triage_as, until = TriageAs(said["as"]), datetime.fromisoformat(said["until"])
        is_key = _FINGERPRINT.fullmatch(fingerprint) is not None
        is_naive = until.tzinfo is None
        until = until.astimezone(UTC)
    except (ValueError, TypeError, AttributeError, OverflowError):
        raise ValueError('content: not "fingerprint", "as", "reason" and "until"') from None
    if not is_key:
        raise ValueError('content: "fingerprint" is none')
    if is_naive:
        raise ValueError('content: "until" has no time zone')
    if not 0 < len(reason) <= _LONGEST_REASON:
        raise ValueError(f'content: "reason" is not text of at most {_LONGEST_REASON} characters')
    return Proposal(fingerprint, triage_as, reason, until)
