"""Saying no to a peer: closed reasons, a gRPC status, and a ledger entry that cannot be flooded.

Rules enforced here:

1. Every refusal has a word of :class:`RefusalReason`; the peer gets the word and its
   explanation, never a stack trace and nothing of what it sent.
2. Every refusal is in the ledger. Whoever is refused often (60 times a minute from one
   address) is counted, and the next entry says how many were not written one by one, so
   that a stranger cannot fill the disk.
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

_PER_MINUTE = 60
_ADDRESSES = 4096


class RefusalReason(Word):
    """Why a call was refused."""

    NO_CERTIFICATE = "no-certificate", "The peer showed no certificate."
    CERTIFICATE_EXPIRED = "certificate-expired", "The peer's certificate is not valid now."
    IDENTITY_UNKNOWN = "identity-unknown", "The certificate names no agent enrolled here."
    BANNED = "banned", "The agent has been banned."
    WRONG_HOST = "wrong-host", "An agent may speak for its own host only."
    MALFORMED = "malformed", "The message breaks the rules of its fields."
    REQUEST_REUSED = "request-reused", "The request id was used for another content."
    TOKEN_UNKNOWN = "token-unknown", "No such join token was made here."
    TOKEN_USED = "token-used", "The join token has been used already."
    TOKEN_EXPIRED = "token-expired", "The join token has expired."
    TOKEN_HOST = "token-host", "The join token does not admit this host."
    CERTIFICATE_REQUEST = "certificate-request", "The certificate request cannot be accepted."
    PROOF = "proof", "The signature by the last key does not verify."
    CERTIFICATE_UNKNOWN = "certificate-unknown", "The certificate is not the agent's last one."
    STORE_FULL = "store-full", "The controller cannot record the decision: its disk is full."
    STORE_UNAVAILABLE = "store-unavailable", "The controller cannot record the decision."
    OVERLOAD = "overload", "More calls wait than the controller takes; try again."
    INTERNAL = "internal", "The controller failed; its log has the fault."


_CODES: Mapping[RefusalReason, grpc.StatusCode] = {
    RefusalReason.NO_CERTIFICATE: grpc.StatusCode.UNAUTHENTICATED,
    RefusalReason.CERTIFICATE_EXPIRED: grpc.StatusCode.UNAUTHENTICATED,
    RefusalReason.IDENTITY_UNKNOWN: grpc.StatusCode.UNAUTHENTICATED,
    RefusalReason.BANNED: grpc.StatusCode.PERMISSION_DENIED,
    RefusalReason.WRONG_HOST: grpc.StatusCode.PERMISSION_DENIED,
    RefusalReason.MALFORMED: grpc.StatusCode.INVALID_ARGUMENT,
    RefusalReason.REQUEST_REUSED: grpc.StatusCode.ALREADY_EXISTS,
    RefusalReason.TOKEN_UNKNOWN: grpc.StatusCode.UNAUTHENTICATED,
    RefusalReason.TOKEN_USED: grpc.StatusCode.PERMISSION_DENIED,
    RefusalReason.TOKEN_EXPIRED: grpc.StatusCode.PERMISSION_DENIED,
    RefusalReason.TOKEN_HOST: grpc.StatusCode.PERMISSION_DENIED,
    RefusalReason.CERTIFICATE_REQUEST: grpc.StatusCode.INVALID_ARGUMENT,
    RefusalReason.PROOF: grpc.StatusCode.UNAUTHENTICATED,
    RefusalReason.CERTIFICATE_UNKNOWN: grpc.StatusCode.PERMISSION_DENIED,
    RefusalReason.STORE_FULL: grpc.StatusCode.RESOURCE_EXHAUSTED,
    RefusalReason.STORE_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    RefusalReason.OVERLOAD: grpc.StatusCode.RESOURCE_EXHAUSTED,
    RefusalReason.INTERNAL: grpc.StatusCode.INTERNAL,
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A no. ``detail`` is for the peer and the ledger: field names and limits, no contents."""

    reason: RefusalReason
    detail: str = ""

    @property
    def code(self) -> grpc.StatusCode:
        """The gRPC status of this reason."""
        return _CODES[self.reason]

    @property
    def text(self) -> str:
        """What the peer reads."""
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.reason.value}: {self.reason.explanation}{detail}"


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
        unwritten, self._unwritten = self._unwritten, 0
        return unwritten


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
