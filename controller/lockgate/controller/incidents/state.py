"""The states of an incident. Pure.

Rules enforced here:

1. A key that is seen again does not stay closed, unless a ruling says that it is not worth an
   incident.
2. A key that turns out to be protected opens its incident anew, whoever has acknowledged it.
3. People acknowledge and close; nothing is closed by silence.
"""

from __future__ import annotations

from collections.abc import Mapping

from lockgate.scan.words import Word


class IncidentState(Word):
    """How far people are with an incident."""

    OPEN = "open", "Nobody has taken it on."
    ACKNOWLEDGED = "acknowledged", "Somebody has taken it on."
    CLOSED = "closed", "Done, until the key is seen again."


class Step(Word):
    """What a sighting of a key did to its incident."""

    OPENED = "opened", "The key was seen for the first time."
    RAISED = "raised", "The key is protected, which was not known before."
    REOPENED = "reopened", "The incident had been closed."
    AGAIN = "again", "The key was seen again."


class IncidentAction(Word):
    """What people do about an incident."""

    ACKNOWLEDGE = "acknowledge", "Take it on."
    CLOSE = "close", "Say that it is done."


_AFTER: Mapping[tuple[IncidentState, IncidentAction], IncidentState] = {
    (IncidentState.OPEN, IncidentAction.ACKNOWLEDGE): IncidentState.ACKNOWLEDGED,
    (IncidentState.OPEN, IncidentAction.CLOSE): IncidentState.CLOSED,
    (IncidentState.ACKNOWLEDGED, IncidentAction.CLOSE): IncidentState.CLOSED,
}


def after(state: IncidentState, action: IncidentAction) -> IncidentState | None:
    """The state that an action leads to; None: it cannot be done in this one."""
    return _AFTER.get((state, action))


def seen(
    state: IncidentState | None, *, was_protected: bool, is_protected: bool, is_ruled: bool
) -> tuple[IncidentState, Step]:
    """What a sighting leads to; ``state`` None: there is no incident yet."""
    if state is None:
        first = IncidentState.CLOSED if is_ruled else IncidentState.OPEN
        return first, Step.AGAIN if is_ruled else Step.OPENED
    if is_protected and not was_protected:
        return IncidentState.OPEN, Step.RAISED
    if state is IncidentState.CLOSED and not is_ruled:
        return IncidentState.OPEN, Step.REOPENED
    return state, Step.AGAIN
