"""Saying no to a peer: closed reasons, a gRPC status, and a ledger entry that cannot be flooded.

Rules enforced here:

1. Every refusal has a word of :class:`RefusalReason`; the peer gets the word and its
   explanation, never a stack trace and nothing of what it sent.
2. Every refusal is in the ledger. Whoever is refused often (60 times a minute from one
   address) is counted, and the next entry says how many were not written one by one, so
   that a stranger cannot fill the disk. Without a next one, that is an entry of its own soon.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import grpc

from lockgate.scan.words import Word

#: The metadata key under which a refused peer finds the reason's word.
REASON_KEY = "lockgate-reason"
#: The metadata key that says for how many milliseconds a busy controller is to be left alone.
RETRY_KEY = "lockgate-retry-after-ms"

_PER_MINUTE = 60
#: How fast a slow disk drains the writer's queue.
_UNITS_A_MILLISECOND = 1.0
_SHORTEST_RETRY_MS, _LONGEST_RETRY_MS = 100, 15_000
_ADDRESSES = 4096


class RefusalReason(Word):
    """Why a call was refused."""

    NO_CERTIFICATE = "no-certificate", "The peer showed no certificate."
    CERTIFICATE_EXPIRED = "certificate-expired", "The peer's certificate is not valid now."
    IDENTITY_UNKNOWN = "identity-unknown", "The certificate names no agent enrolled here."
    BANNED = "banned", "The agent has been banned."
    CERTIFICATE_REVOKED = "certificate-revoked", "The certificate was revoked: evicted."
    WRONG_HOST = "wrong-host", "An agent may speak for its own host only."
    MALFORMED = "malformed", "The message breaks the rules of its fields."
    OVERSIZED = "oversized", "The message is larger than any that is taken here."
    REQUEST_REUSED = "request-reused", "The request id was used for another content."
    TOKEN_UNKNOWN = "token-unknown", "No such join token was made here."
    TOKEN_USED = "token-used", "The join token has been used already."
    TOKEN_EXPIRED = "token-expired", "The join token has expired."
    TOKEN_HOST = "token-host", "The join token does not admit this host."
    TOKEN_REVOKED = "token-revoked", "The join token was made before the host was evicted."
    CERTIFICATE_REQUEST = "certificate-request", "The certificate request cannot be accepted."
    PROOF = "proof", "The signature by the last key does not verify."
    CERTIFICATE_UNKNOWN = "certificate-unknown", "The certificate is not the agent's last one."
    PERSON_UNKNOWN = "person-unknown", "The certificate names no person known here."
    ROLE = "role", "None of the person's roles allows this."
    LOGIN = "login", "The name or the password is wrong."
    LOGIN_BLOCKED = "login-blocked", "Too many wrong passwords for this name; wait a minute."
    NOT_FOUND = "not-found", "There is nothing with this name or number here."
    CONFLICT = "conflict", "What is there is not in a state in which this can be done."
    OWN_PROPOSAL = "own-proposal", "Nobody approves what they proposed."
    CONTENT_CHANGED = "content-changed", "The content is not the one that was looked at."
    SELF_APPROVAL = "self-approval", "Nobody reviews a release that they asked for."
    TOUCHED = "touched", "Nobody reviews a file that they had to do with."
    VOTED = "voted", "Everybody has one vote."
    SEAT = "seat", "Every seat that these roles fit is taken; another role is missing."
    NOT_REQUESTER = "not-requester", "Only who asked for a release takes it back."
    NOT_RELEASABLE = "not-releasable", "The policy lets nobody release this."
    PROTECTED_KEY = "protected-key", "A file with a protected key is never released; scrub it."
    BREAK_GLASS_OFF = "break-glass-off", "The policy has no way past the review for this."
    STORE_FULL = "store-full", "The controller cannot record the decision: its disk is full."
    STORE_UNAVAILABLE = "store-unavailable", "The controller cannot record the decision."
    STREAM_REPLACED = "stream-replaced", "The agent has opened another stream."
    OVERLOAD = "overload", "More calls wait than the controller takes; try again."
    INTERNAL = "internal", "The controller failed; its log has the fault."


_CODES: Mapping[RefusalReason, grpc.StatusCode] = {
    RefusalReason.NO_CERTIFICATE: grpc.StatusCode.UNAUTHENTICATED,
    RefusalReason.CERTIFICATE_EXPIRED: grpc.StatusCode.UNAUTHENTICATED,
    RefusalReason.IDENTITY_UNKNOWN: grpc.StatusCode.UNAUTHENTICATED,
    RefusalReason.BANNED: grpc.StatusCode.PERMISSION_DENIED,
    RefusalReason.CERTIFICATE_REVOKED: grpc.StatusCode.PERMISSION_DENIED,
    RefusalReason.WRONG_HOST: grpc.StatusCode.PERMISSION_DENIED,
    RefusalReason.MALFORMED: grpc.StatusCode.INVALID_ARGUMENT,
    RefusalReason.OVERSIZED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    RefusalReason.REQUEST_REUSED: grpc.StatusCode.ALREADY_EXISTS,
    RefusalReason.TOKEN_UNKNOWN: grpc.StatusCode.UNAUTHENTICATED,
    RefusalReason.TOKEN_USED: grpc.StatusCode.PERMISSION_DENIED,
    RefusalReason.TOKEN_EXPIRED: grpc.StatusCode.PERMISSION_DENIED,
    RefusalReason.TOKEN_HOST: grpc.StatusCode.PERMISSION_DENIED,
    RefusalReason.TOKEN_REVOKED: grpc.StatusCode.PERMISSION_DENIED,
    RefusalReason.CERTIFICATE_REQUEST: grpc.StatusCode.INVALID_ARGUMENT,
    RefusalReason.PROOF: grpc.StatusCode.UNAUTHENTICATED,
    RefusalReason.CERTIFICATE_UNKNOWN: grpc.StatusCode.PERMISSION_DENIED,
    RefusalReason.PERSON_UNKNOWN: grpc.StatusCode.UNAUTHENTICATED,
    RefusalReason.ROLE: grpc.StatusCode.PERMISSION_DENIED,
    RefusalReason.LOGIN: grpc.StatusCode.UNAUTHENTICATED,
    RefusalReason.LOGIN_BLOCKED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    RefusalReason.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    RefusalReason.CONFLICT: grpc.StatusCode.FAILED_PRECONDITION,
    RefusalReason.OWN_PROPOSAL: grpc.StatusCode.PERMISSION_DENIED,
    RefusalReason.CONTENT_CHANGED: grpc.StatusCode.ABORTED,
    RefusalReason.SELF_APPROVAL: grpc.StatusCode.PERMISSION_DENIED,
    RefusalReason.TOUCHED: grpc.StatusCode.PERMISSION_DENIED,
    RefusalReason.VOTED: grpc.StatusCode.ALREADY_EXISTS,
    RefusalReason.SEAT: grpc.StatusCode.FAILED_PRECONDITION,
    RefusalReason.NOT_REQUESTER: grpc.StatusCode.PERMISSION_DENIED,
    RefusalReason.NOT_RELEASABLE: grpc.StatusCode.FAILED_PRECONDITION,
    RefusalReason.PROTECTED_KEY: grpc.StatusCode.PERMISSION_DENIED,
    RefusalReason.BREAK_GLASS_OFF: grpc.StatusCode.FAILED_PRECONDITION,
    RefusalReason.STORE_FULL: grpc.StatusCode.RESOURCE_EXHAUSTED,
    RefusalReason.STORE_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    RefusalReason.STREAM_REPLACED: grpc.StatusCode.ABORTED,
    RefusalReason.OVERLOAD: grpc.StatusCode.RESOURCE_EXHAUSTED,
    RefusalReason.INTERNAL: grpc.StatusCode.INTERNAL,
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A no. ``detail`` is for the peer and the ledger: field names and limits, no contents.

    ``retry_ms``: for how long the peer is asked not to come back; 0: it is not asked.
    """

    reason: RefusalReason
    detail: str = ""
    retry_ms: int = 0

    @property
    def code(self) -> grpc.StatusCode:
        """The gRPC status of this reason."""
        return _CODES[self.reason]

    @property
    def text(self) -> str:
        """What the peer reads."""
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.reason.value}: {self.reason.explanation}{detail}"


def retry_ms(waiting: int, chance: float) -> int:
    """How long a peer is to wait when so many units of work wait before it.

    ``chance``, drawn evenly from 0 to 1, spreads the peers, so that they do not come back
    together.
    """
    drained = waiting / _UNITS_A_MILLISECOND
    return round(min(_LONGEST_RETRY_MS, max(_SHORTEST_RETRY_MS, drained)) * (1 + chance))


class RefusedError(Exception):
    """A refusal, for whoever works on the controller's own host."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.text)


class RefusalLimit:
    """How many refusals of one address are written one by one."""

    def __init__(self) -> None:
        self._minutes: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._unwritten = 0

    def admit(self, address: str, seconds: float) -> int | None:
        """How many earlier refusals the entry must own up to; None: do not write this one.

        ``seconds`` is monotonic time.
        """
        minute = int(seconds // 60)
        last, count = self._minutes.pop(address, (minute, 0))
        count = count + 1 if last == minute else 1
        self._minutes[address] = (minute, count)
        if len(self._minutes) > _ADDRESSES:
            self._minutes.popitem(last=False)
        if count > _PER_MINUTE:
            self._unwritten += 1
            return None
        return self.take()

    def take(self) -> int:
        """How many were not written one by one since this was asked last."""
        unwritten, self._unwritten = self._unwritten, 0
        return unwritten

    def put_back(self, unwritten: int) -> None:
        """They could not be written now."""
        self._unwritten += unwritten


def rest(unwritten: int, time: str) -> dict[str, Any]:
    """The ledger entry of refusals that no later one tells of."""
    return {"kind": "refusals-unwritten", "time": time, "unwritten": unwritten}


def entry(refusal: Refusal, *, call: str, peer: str, time: str, unwritten: int) -> dict[str, Any]:
    """The ledger entry of a refusal."""
    return {
        "kind": "refusal",
        "time": time,
        "call": call,
        "peer": peer,
        "reason": refusal.reason.value,
        "detail": refusal.detail,
        "unwritten": unwritten,
    }
