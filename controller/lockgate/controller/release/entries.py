"""What the ledger says of releases and holds: one pure function per kind of entry.

Rules enforced here:

1. Every entry names the release, the bytes and the place; people stand in it by id.
2. A vote is a salted commitment until all have voted; the entry that ends the review opens them
   all. So the ledger, which others read, keeps a review as blind as the service does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from lockgate.controller.clock import rfc3339
from lockgate.controller.release import machine
from lockgate.controller.release.cases import Release
from lockgate.controller.release.states import Action


@dataclass(frozen=True, slots=True)
class OpenedVote:
    """A vote as it is shown once all have voted, with what proves that it was cast so."""

    person: str
    choice: str
    reason: str
    salt: bytes


def commitment(choice: str, reason: str, salt: bytes) -> str:
    """What the ledger holds of a vote: ``sha256(salt || JSON of choice and reason)``."""
    text = json.dumps([choice, reason], ensure_ascii=False, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(salt + text.encode()).hexdigest()


def requested(release: Release, now: datetime) -> dict[str, Any]:
    """Somebody asked for a release."""
    case = release.case
    return {
        **_about("release-requested", release, now),
        "person": case.requested_by,
        "reason": release.reason,
        "report_digest": case.subject.report_digest,
        "rule_pack": case.subject.rule_pack,
        "verdict_index": release.verdict_index,
        "reviewers": list(case.terms.reviewers),
        "deadline": _time(case.deadline),
    }


def voted(release: Release, person: str, hidden: str, now: datetime) -> dict[str, Any]:
    """Somebody voted; what, nobody can tell from ``hidden``."""
    return {**_about("release-vote", release, now), "person": person, "vote": hidden}


def changed(
    release: Release,
    action: Action,
    now: datetime,
    *,
    person: str | None = None,
    reason: str = "",
    votes: Sequence[OpenedVote] = (),
) -> dict[str, Any]:
    """A release is in another state, or has another person on the way to it."""
    case = release.case
    return {
        **_about(f"release-{case.state.value}", release, now),
        "action": action.value,
        "person": person,
        "reason": reason,
        "owner": machine.owner(case),
        "deadline": _time(case.deadline),
        "moving_transfer": release.moving_transfer,
        "votes": [
            {"person": v.person, "choice": v.choice, "reason": v.reason, "salt": v.salt.hex()}
            for v in votes
        ],
    }


def vote_dropped(release: Release, person: str, now: datetime) -> dict[str, Any]:
    """A vote counts no more: who cast it had to do with the file."""
    return {**_about("release-vote-dropped", release, now), "person": person}


def wait_ended(
    transfer_id: str, host: str, zone: str, owner: str, following: str, now: datetime
) -> dict[str, Any]:
    """Nobody came for a stopped file; it stays stopped. ``following``: who is waited for now."""
    return {
        "kind": "wait-ended",
        "time": rfc3339(now),
        "transfer_id": transfer_id,
        "host": host,
        "zone": zone,
        "owner": owner,
        "next_owner": following,
    }


def clock_jumped(jump: timedelta, now: datetime) -> dict[str, Any]:
    """The wall clock moved against the one that nobody can set; deadlines go by the wall clock."""
    return {"kind": "clock-jump", "time": rfc3339(now), "seconds": round(jump.total_seconds())}


def _about(kind: str, release: Release, now: datetime) -> dict[str, Any]:
    subject = release.case.subject
    return {
        "kind": kind,
        "time": rfc3339(now),
        "release": release.id,
        "transfer_id": release.transfer_id,
        "host": subject.host,
        "zone": subject.zone,
        "sha256": subject.sha256,
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
