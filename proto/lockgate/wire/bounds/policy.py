"""Bounds of the fields of ``policy.proto``."""

from __future__ import annotations

import re

from lockgate.wire.bounds.bound import HEX, NAME, SENTENCE, SHORT, UUID, Bound

_DOCUMENT_NAME = Bound(128, 1, re.compile(r"[^/\x00-\x1f]+"))
_UUID_OR_EMPTY = Bound(36, 0, re.compile(rf"({UUID.form.pattern})?" if UUID.form else ""))
#: The largest policy, all its documents together.
POLICY_BYTES = 256 * 1024
MOST_DOCUMENTS = 64
MOST_VERSIONS = 1000
MOST_CHANGES = 500
MOST_EXAMPLES = 3
MOST_RINGS = 16

BOUNDS = {
    "PolicyVersion.digest": HEX,
    "PolicyVersion.rings": Bound(SHORT.high, items=MOST_RINGS + 1),
    "PolicyVersion.change_id": _UUID_OR_EMPTY,
    "PolicyVersion.reason": SENTENCE,
    "PolicyDocument.name": _DOCUMENT_NAME,
    "PolicyDocument.text": Bound(POLICY_BYTES),
    "ListPoliciesResponse.versions": Bound(items=MOST_VERSIONS),
    "GetPolicyResponse.documents": Bound(items=MOST_DOCUMENTS),
    "ReplayPolicyRequest.documents": Bound(items=MOST_DOCUMENTS),
    "ReplayChange.zone": NAME,
    "ReplayChange.host": NAME,
    "ReplayChange.classes": Bound(SHORT.high, items=16),
    "ReplayChange.old_rule": SHORT,
    "ReplayChange.new_rule": SHORT,
    "ReplayChange.transfer_ids": Bound(36, items=MOST_EXAMPLES),
    "ReplayPolicyResponse.digest": HEX,
    "ReplayPolicyResponse.changes": Bound(items=MOST_CHANGES),
    "PromotePolicyRequest.request_id": UUID,
    "RollBackPolicyRequest.request_id": UUID,
    "RollBackPolicyRequest.reason": Bound(SENTENCE.high, 1),
}
