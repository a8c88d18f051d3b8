"""Bounds of the fields of ``change.proto``."""

from __future__ import annotations

import re

from lockgate.wire.bounds.bound import HEX, SENTENCE, UUID, Bound
from lockgate.wire.bounds.person import PERSON_NAME

_KIND = Bound(32, 1, re.compile(r"[a-z]+(-[a-z]+)*"))
_REASON = Bound(SENTENCE.high, 1)
_NAME_OR_EMPTY = Bound(PERSON_NAME.high)
#: The largest content: a policy with all its documents.
CONTENT_BYTES = 1 << 20
MOST_CHANGES = 1000

BOUNDS = {
    "Change.change_id": UUID,
    "Change.kind": _KIND,
    "Change.summary": SENTENCE,
    "Change.reason": _REASON,
    "Change.proposed_by": _NAME_OR_EMPTY,
    "Change.decided_by": _NAME_OR_EMPTY,
    "Change.decision_reason": SENTENCE,
    "Change.content_sha256": HEX,
    "ProposeChangeRequest.request_id": UUID,
    "ProposeChangeRequest.kind": _KIND,
    "ProposeChangeRequest.content": Bound(CONTENT_BYTES),
    "ProposeChangeRequest.reason": _REASON,
    "ListChangesResponse.changes": Bound(items=MOST_CHANGES),
    "GetChangeRequest.change_id": UUID,
    "GetChangeResponse.content": Bound(CONTENT_BYTES),
    "ApproveChangeRequest.request_id": UUID,
    "ApproveChangeRequest.change_id": UUID,
    "ApproveChangeRequest.content_sha256": HEX,
    "RejectChangeRequest.request_id": UUID,
    "RejectChangeRequest.change_id": UUID,
    "RejectChangeRequest.reason": _REASON,
}
