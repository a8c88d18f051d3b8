"""What the ledger says of policies: one pure function per kind of entry."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from lockgate.controller.clock import rfc3339
from lockgate.controller.policies.rings import Counts, Ring


def version(
    number: int,
    *,
    digest: str,
    source: str,
    rings: Sequence[str],
    change_id: str,
    by: Sequence[str],
    now: datetime,
) -> dict[str, Any]:
    """A policy began to decide, on the hosts of these rings."""
    return {
        "kind": "policy-version",
        "time": rfc3339(now),
        "version": number,
        "policy_digest": digest,
        "source": source,
        "rings": list(rings),
        "change": change_id,
        "by": list(by),
    }


def promoted(
    number: int, *, digest: str, ring: str, by: Sequence[str], now: datetime
) -> dict[str, Any]:
    """A policy reached one more ring; ``by`` nobody: its bake time was over."""
    return {
        "kind": "policy-promoted",
        "time": rfc3339(now),
        "version": number,
        "policy_digest": digest,
        "ring": ring,
        "by": list(by),
    }


def rolled_back(
    number: int,
    *,
    digest: str,
    to_digest: str,
    rings: Sequence[str],
    reason: str,
    by: Sequence[str],
    now: datetime,
) -> dict[str, Any]:
    """A policy was taken back; ``by`` nobody: denials jumped."""
    return {
        "kind": "policy-rolled-back",
        "time": rfc3339(now),
        "version": number,
        "policy_digest": digest,
        "to_policy_digest": to_digest,
        "rings": list(rings),
        "reason": reason,
        "by": list(by),
    }


def rings(configured: Sequence[Ring], now: datetime) -> dict[str, Any]:
    """The settings divide hosts otherwise than before."""
    return {
        "kind": "policy-rings",
        "time": rfc3339(now),
        "rings": [
            {
                "name": ring.name,
                "hosts": list(ring.hosts),
                "bake_seconds": round(ring.bake_minutes * 60),
            }
            for ring in configured
        ],
    }


def jump(new: Counts, old: Counts) -> str:
    """Why a policy stopped by itself, in words."""
    return (
        f"denials jumped: {new.denials} of {new.verdicts} verdicts,"
        f" {old.denials} of {old.verdicts} under the policy before"
    )
