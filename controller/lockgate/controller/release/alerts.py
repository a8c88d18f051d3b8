"""What is told to the outside of releases and holds; pure functions.

Rules enforced here: breaking the glass is always critical; whatever lets a file through, fails to,
or ends without anybody is told; a vote is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from lockgate.controller.alerts import ocsf
from lockgate.controller.alerts.event import notice_event
from lockgate.controller.clock import rfc3339
from lockgate.controller.release import machine
from lockgate.controller.release.cases import Release
from lockgate.controller.release.states import Action, State

_SEVERITY: Mapping[State, int] = {
    State.REQUESTED: ocsf.MEDIUM,
    State.VOTING: ocsf.INFORMATIONAL,
    State.BREAK_GLASS: ocsf.CRITICAL,
    State.APPROVED: ocsf.HIGH,
    State.RESTORING: ocsf.MEDIUM,
    State.RELEASING: ocsf.MEDIUM,
    State.RELEASED: ocsf.HIGH,
    State.DECLINED: ocsf.INFORMATIONAL,
    State.WITHDRAWN: ocsf.INFORMATIONAL,
    State.EXPIRED: ocsf.MEDIUM,
    State.FAILED: ocsf.HIGH,
    State.VOID: ocsf.MEDIUM,
}


def release_event(
    release: Release, action: Action | None, ledger_index: int, now: datetime
) -> dict[str, Any]:
    """A release is in another state; ``action`` brought it there, None: the request."""
    case, subject = release.case, release.case.subject
    broken = bool(case.breakers)
    fields = {
        "event": "release",
        "release": release.id,
        "state": case.state.value,
        "action": "request" if action is None else action.value,
        "transfer_id": release.transfer_id,
        "zone": subject.zone,
        "sha256": subject.sha256,
        "glass_broken": broken,
        "owner": machine.owner(case),
        "deadline": None if case.deadline is None else rfc3339(case.deadline),
    }
    title = f"release {case.state.value}: zone {subject.zone} on {subject.host}"
    past = " The glass was broken." if broken else ""
    message = f"{case.state.explanation}{past}"
    severity = ocsf.CRITICAL if broken else _SEVERITY[case.state]
    return notice_event(title, message, subject.host, severity, ledger_index, fields, now)


def wait_ended_event(
    fields: Mapping[str, Any], host: str, owner: str, following: str, index: int, now: datetime
) -> dict[str, Any]:
    """Nobody came for a stopped file."""
    title = f"nobody came for a stopped file on {host}: {owner}"
    then = f"{following} is waited for now." if following else "Nobody else is waited for."
    message = f"The file stays stopped. {then}"
    return notice_event(
        title, message, host, ocsf.HIGH, index, {"event": "wait-ended", **fields}, now
    )


def clock_event(jump: timedelta, index: int, now: datetime) -> dict[str, Any]:
    """The controller's clock was set, or its host slept."""
    fields = {"event": "clock-jump", "seconds": round(jump.total_seconds())}
    message = "Deadlines and certificates go by this clock: look at what ended just now."
    title = f"the controller's clock jumped by {fields['seconds']} seconds"
    return notice_event(title, message, "controller", ocsf.HIGH, index, fields, now)
