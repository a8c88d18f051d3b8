"""Bounds of the fields of ``bundle.proto``."""

from __future__ import annotations

from lockgate.wire.bounds.bound import CHAIN, Bound
from lockgate.wire.bounds.policy import POLICY_BYTES

BOUNDS = {
    "FetchPolicyResponse.envelope": CHAIN,
    "FetchPolicyResponse.content": Bound(POLICY_BYTES, 1),
    "FetchPolicyResponse.public_key": Bound(32, 32),
}
