"""The states of a release and what leads from one to the next, as data.

Rules enforced here: what is not in :data:`TRANSITIONS` does not happen. The diagram in
docs/releases.md is drawn from it.
"""

from __future__ import annotations

from collections.abc import Mapping

from lockgate.scan.words import Word


class State(Word):
    """Where a release stands."""

    REQUESTED = "requested", "Somebody asked; nobody has voted."
    VOTING = "voting", "Some have voted; what they said is not shown yet."
    BREAK_GLASS = "break-glass", "Somebody broke the glass; a second person is waited for."
    APPROVED = "approved", "The file may cross once, until the deadline."
    RESTORING = "restoring", "The agent was told to put the file back from quarantine."
    RELEASING = "releasing", "The agent was told to let the file through; its receipt is due."
    RELEASED = "released", "The file has crossed."
    DECLINED = "declined", "All have voted, and not all for it."
    WITHDRAWN = "withdrawn", "Whoever asked no longer does."
    EXPIRED = "expired", "Its time was over; nothing was let through."
    FAILED = (
        "failed",
        "The agent said that it failed, or did not say in time that the file crossed.",
    )
    VOID = "void", "It no longer holds: bytes, report, rule pack, policy or clock changed."


class Action(Word):
    """What moves a release on."""

    APPROVE = "approve", "A reviewer votes for it."
    DECLINE = "decline", "A reviewer votes against it."
    AGREE = "agree", "All have voted, all for it."
    DISAGREE = "disagree", "All have voted, not all for it."
    WITHDRAW = "withdraw", "Whoever asked takes it back."
    BREAK_GLASS = "break-glass", "Somebody asks for it past the review."
    GLASS_BROKEN = "glass-broken", "Two people have."
    TOUCH = "touch", "Somebody had to do with the file: their vote counts no more."
    VOID = "void", "It speaks of what is no longer there, or an approver touched the file."
    RESTORE = "restore", "The agent is told to put the file back from quarantine."
    RESTORED = "restored", "The agent has put it back."
    START = "start", "The agent is told to let the file through."
    NOT_MOVED = "not-moved", "The agent says that nobody got the file."
    SUCCEED = "succeed", "The agent says that the file crossed."
    FAIL = "fail", "The agent failed, or its receipt is overdue."
    EXPIRE = "expire", "The deadline is over."


_VOTES: Mapping[Action, State] = {Action.APPROVE: State.VOTING, Action.DECLINE: State.VOTING}
_ENDS: Mapping[Action, State] = {
    Action.WITHDRAW: State.WITHDRAWN,
    Action.VOID: State.VOID,
    Action.EXPIRE: State.EXPIRED,
}
_ROWS: Mapping[State, Mapping[Action, State]] = {
    State.REQUESTED: {
        **_VOTES,
        Action.BREAK_GLASS: State.BREAK_GLASS,
        Action.TOUCH: State.REQUESTED,
        **_ENDS,
    },
    State.VOTING: {
        **_VOTES,
        Action.AGREE: State.APPROVED,
        Action.DISAGREE: State.DECLINED,
        Action.BREAK_GLASS: State.BREAK_GLASS,
        Action.TOUCH: State.VOTING,
        **_ENDS,
    },
    State.BREAK_GLASS: {
        Action.BREAK_GLASS: State.BREAK_GLASS,
        Action.GLASS_BROKEN: State.APPROVED,
        Action.TOUCH: State.BREAK_GLASS,
        **_ENDS,
    },
    State.APPROVED: {
        Action.RESTORE: State.RESTORING,
        Action.START: State.RELEASING,
        Action.TOUCH: State.APPROVED,
        **_ENDS,
    },
    State.RESTORING: {
        Action.RESTORED: State.APPROVED,
        Action.FAIL: State.FAILED,
        Action.TOUCH: State.RESTORING,
        Action.VOID: State.VOID,
    },
    State.RELEASING: {
        Action.SUCCEED: State.RELEASED,
        Action.NOT_MOVED: State.APPROVED,
        Action.FAIL: State.FAILED,
    },
    State.FAILED: {Action.SUCCEED: State.RELEASED},
}

#: State and action to the next state.
TRANSITIONS: Mapping[tuple[State, Action], State] = {
    (state, action): to for state, row in _ROWS.items() for action, to in row.items()
}
#: States with a deadline and an owner; the others are ends.
WAITING = frozenset(s for s, action in TRANSITIONS if action in {Action.EXPIRE, Action.FAIL})
MOVING = frozenset({State.RESTORING, State.RELEASING})
#: What people do; everything else the controller does.
BY_PEOPLE = frozenset({Action.APPROVE, Action.DECLINE, Action.WITHDRAW, Action.BREAK_GLASS})
