"""What may become of a release. Pure: no clock, no store.

Rules enforced here:

1. One map says what can follow what (``lockgate.controller.release.states``); all else is refused.
2. Reviewers are at least two people; every seat of the terms has its own person (all roles, not
   any of them). Nobody reviews what they asked for, or a file they touched, or twice.
3. Votes are blind: a state tells who has voted, and what they said only once all have. So one
   vote against does not end the review before the others have voted.
4. To break the glass takes two people too, to whom the same holds.
5. Every state that waits has an owner and a deadline, and after its deadline it allows nothing.
   Time never runs backwards within one release.
6. What is allowed is the subject: these bytes, as this report by this rule pack shows them, on
   this host, in this zone. A release of anything else is void.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from lockgate.controller.people.roles import Person, Role
from lockgate.controller.refusals import Refusal, RefusalReason
from lockgate.controller.release.states import (
    BY_PEOPLE,
    MOVING,
    TRANSITIONS,
    WAITING,
    Action,
    State,
)
from lockgate.wire.terms import ReleaseTerms, fits

#: How long an agent may take to say that it put a file back, or what became of an open.
MOVE_WITHIN = timedelta(minutes=15)
_BREAKERS = 2


#: What comes too late once the deadline is over. What an agent tells of the past does not.
_IN_TIME = BY_PEOPLE | {Action.START, Action.RESTORE}
_GRANTED = frozenset({State.APPROVED, State.RESTORING})


@dataclass(frozen=True, slots=True)
class Subject:
    """What a release is about, and nothing else: bytes, and what is known of them where."""

    sha256: str
    report_digest: str
    rule_pack: str
    host: str
    zone: str


@dataclass(frozen=True, slots=True)
class Vote:
    """What one person said: ``choice`` is APPROVE, DECLINE or BREAK_GLASS."""

    person: str
    login: str
    roles: frozenset[Role]
    choice: Action


@dataclass(frozen=True, slots=True)
class Case:
    """One release. ``touched`` are the logins of everybody who had to do with the file.

    ``valid_until`` is set once, when it is approved: however often an agent says that nobody got
    the file, it may not cross later.
    """

    subject: Subject
    terms: ReleaseTerms
    requested_by: str
    touched: frozenset[str]
    state: State
    changed_at: datetime
    deadline: datetime | None
    votes: tuple[Vote, ...] = ()
    breakers: tuple[Vote, ...] = ()
    valid_until: datetime | None = None

    @property
    def all_voted(self) -> bool:
        """Whether every seat has its vote."""
        return len(self.votes) == len(self.terms.reviewers)

    @property
    def approvers(self) -> tuple[Vote, ...]:
        """On whose word the file may cross; empty while it may not."""
        if self.valid_until is None:
            return ()
        return self.breakers if len(self.breakers) == _BREAKERS else self.votes


def login_of(name: str) -> str:
    """A name as it is compared: without case, and without the domain before or after it."""
    return name.rpartition("\\")[2].partition("@")[0].casefold()


def request(
    subject: Subject, terms: ReleaseTerms, by: Person, touched: frozenset[str], now: datetime
) -> Case:
    """A release that ``by`` asks for; ``touched`` are logins as of :func:`login_of`."""
    return Case(
        subject=subject,
        terms=terms,
        requested_by=by.id,
        touched=touched,
        state=State.REQUESTED,
        changed_at=now,
        deadline=now + terms.within,
    )


def step(case: Case, action: Action, by: Person | None, now: datetime) -> Case | Refusal:
    """What ``action`` makes of ``case``; ``by`` is somebody for what people do, else None."""
    now = max(now, case.changed_at)
    target = TRANSITIONS.get((case.state, action))
    if target is None:
        return Refusal(RefusalReason.CONFLICT, f"the release is {case.state.value}")
    if is_over(case, now) and action in _IN_TIME:
        return Refusal(RefusalReason.CONFLICT, "the deadline of the release is over")
    if action is Action.EXPIRE and not is_over(case, now):
        return Refusal(RefusalReason.CONFLICT, "the release has time left")
    if action not in BY_PEOPLE:
        return _enter(case, target, now)
    if by is None:
        return Refusal(RefusalReason.ROLE)
    refusal = _refusal(case, action, by)
    return refusal or _settled(_enter(_with_vote(case, action, by), target, now), now)


def touch(case: Case, login: str, now: datetime) -> Case:
    """The case once ``login`` had to do with the file, also after voting."""
    said = any(vote.login == login for vote in (*case.votes, *case.breakers))
    known = login in case.touched and not said
    if known or (case.state, Action.TOUCH) not in TRANSITIONS:
        return case
    now = max(now, case.changed_at)
    grown = replace(case, touched=case.touched | {login})
    if case.state in _GRANTED and any(vote.login == login for vote in case.approvers):
        return _enter(grown, State.VOID, now)
    return replace(
        grown, votes=_without(case.votes, login), breakers=_without(case.breakers, login)
    )


def cut(case: Case) -> Case:
    """The case of a file that moves, when time cannot be told any more: no further attempt."""
    return replace(case, valid_until=case.changed_at) if case.valid_until else case


def is_over(case: Case, now: datetime) -> bool:
    """Whether the deadline of a waiting state has come."""
    return case.deadline is not None and max(now, case.changed_at) >= case.deadline


def overdue(case: Case) -> Action:
    """What happens to a case whose deadline has come."""
    return Action.FAIL if case.state in MOVING else Action.EXPIRE


def owner(case: Case) -> str:
    """Whom a waiting state waits for, as role words; empty at an end."""
    match case.state:
        case State.REQUESTED | State.VOTING:
            missing = vacant([vote.roles for vote in case.votes], case.terms.reviewers) or ()
            return ", ".join(missing)
        case State.BREAK_GLASS:
            return " or ".join(case.terms.break_glass.by if case.terms.break_glass else ())
        case State.APPROVED:
            return Role.ENGINEER.value
        case State.RESTORING | State.RELEASING:
            return Role.ON_CALL.value
        case _:
            return ""


def shown_votes(case: Case) -> tuple[Vote, ...]:
    """The votes with what they said: none until all have voted."""
    return case.votes if case.all_voted else ()


def vacant(voters: Sequence[frozenset[Role]], seats: tuple[str, ...]) -> tuple[str, ...] | None:
    """The seats left over when each voter has one of their own; None when that cannot be."""
    taken: dict[int, int] = {}

    def sit(voter: int, tried: set[int]) -> bool:
        """Give a voter a seat; who sits there already moves, if there is another (Kuhn, 1955)."""
        for index, seat in enumerate(seats):
            if index in tried or not fits(voters[voter], seat):
                continue
            tried.add(index)
            if index not in taken or sit(taken[index], tried):
                taken[index] = voter
                return True
        return False

    if not all(sit(voter, set()) for voter in range(len(voters))):
        return None
    return tuple(seat for index, seat in enumerate(seats) if index not in taken)


def _refusal(case: Case, action: Action, by: Person) -> Refusal | None:
    """Why ``by`` may not do this to ``case``."""
    asked = by.id == case.requested_by
    if action is Action.WITHDRAW:
        return None if asked else Refusal(RefusalReason.NOT_REQUESTER)
    if asked:
        return Refusal(RefusalReason.SELF_APPROVAL)
    if login_of(by.name) in case.touched:
        return Refusal(RefusalReason.TOUCHED)
    if action is Action.BREAK_GLASS:
        return _refused_breaking(case, by)
    if _has(case.votes, by):
        return Refusal(RefusalReason.VOTED)
    roles = [*(vote.roles for vote in case.votes), by.roles]
    if not any(fits(by.roles, seat) for seat in case.terms.reviewers):
        return Refusal(RefusalReason.ROLE, f"one of: {', '.join(case.terms.reviewers)}")
    return Refusal(RefusalReason.SEAT) if vacant(roles, case.terms.reviewers) is None else None


def _refused_breaking(case: Case, by: Person) -> Refusal | None:
    terms = case.terms.break_glass
    if terms is None:
        return Refusal(RefusalReason.BREAK_GLASS_OFF)
    if not any(fits(by.roles, role) for role in terms.by):
        return Refusal(RefusalReason.ROLE, f"one of: {', '.join(terms.by)}")
    return Refusal(RefusalReason.VOTED) if _has(case.breakers, by) else None


def _with_vote(case: Case, action: Action, by: Person) -> Case:
    vote = Vote(by.id, login_of(by.name), by.roles, action)
    if action is Action.BREAK_GLASS:
        return replace(case, breakers=(*case.breakers, vote))
    return case if action is Action.WITHDRAW else replace(case, votes=(*case.votes, vote))


def _settled(case: Case, now: datetime) -> Case:
    """The case after what follows from its votes alone."""
    if case.state is State.VOTING and case.all_voted:
        agreed = all(vote.choice is Action.APPROVE for vote in case.votes)
        action = Action.AGREE if agreed else Action.DISAGREE
    elif case.state is State.BREAK_GLASS and len(case.breakers) == _BREAKERS:
        action = Action.GLASS_BROKEN
    else:
        return case
    return _enter(case, TRANSITIONS[case.state, action], now)


def _enter(case: Case, state: State, now: datetime) -> Case:
    """The case in ``state``, with that state's deadline."""
    moved = replace(case, state=state, changed_at=now)
    if state is State.APPROVED:
        until = case.valid_until or now + _valid_for(case)
        return replace(moved, valid_until=until, deadline=until)
    if state in MOVING:
        return replace(moved, deadline=now + MOVE_WITHIN)
    if state is State.BREAK_GLASS and case.state is not state and case.terms.break_glass:
        return replace(moved, deadline=now + case.terms.break_glass.within)
    return moved if state in WAITING else replace(moved, deadline=None)


def _valid_for(case: Case) -> timedelta:
    glass = case.terms.break_glass
    return glass.valid_for if glass and len(case.breakers) == _BREAKERS else case.terms.valid_for


def _has(votes: tuple[Vote, ...], by: Person) -> bool:
    """Whether somebody has voted, under this identity or an earlier one of the same login."""
    return any(vote.person == by.id or vote.login == login_of(by.name) for vote in votes)


def _without(votes: tuple[Vote, ...], login: str) -> tuple[Vote, ...]:
    return tuple(vote for vote in votes if vote.login != login)
