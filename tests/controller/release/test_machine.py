"""The machine of releases: every order of what four people can do, and longer walks at random.

The state space is searched whole. Each of four people asks; then from each reachable case everybody
opens the file, approves, declines, withdraws and breaks the glass, and the controller does all that
it does, until no new case appears. What is checked of each case therefore holds for every
interleaving of the six actions, of any length.
"""

from collections import deque
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lockgate.controller.people.roles import Person, Role
from lockgate.controller.refusals import Refusal, RefusalReason
from lockgate.controller.release import diagram, machine, states
from lockgate.controller.release.machine import Subject
from lockgate.controller.release.states import TRANSITIONS, Action, State
from lockgate.wire.terms import ANY, REVIEWERS, BreakGlass, ReleaseTerms

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
GLASS = BreakGlass(("on-call", "security"), HOUR / 4, HOUR / 2)
TERMS = ReleaseTerms(("zone-owner", "security"), 24 * HOUR, HOUR, GLASS)
SUBJECT = Subject("ab" * 32, "cd" * 32, "rules-1", "host-1", "signing")

# Everybody may do everything, so that nothing but the machine's rules keeps them apart.
ALMIGHTY = frozenset(Role)
PEOPLE = [Person(f"id-{name}", name, ALMIGHTY) for name in ("ann", "bob", "cem", "dee")]
OF_PEOPLE = (Action.APPROVE, Action.DECLINE, Action.WITHDRAW, Action.BREAK_GLASS)
OF_CONTROLLER = (
    Action.VOID,
    Action.RESTORE,
    Action.RESTORED,
    Action.START,
    Action.NOT_MOVED,
    Action.SUCCEED,
    Action.FAIL,
    Action.EXPIRE,
)


def requested(by, terms=TERMS, touched=()):
    """A release that ``by`` asks for; whoever asks counts as having had to do with the file."""
    return machine.request(SUBJECT, terms, by, frozenset({by.name, *touched}), NOW)


def after(case, *moves):
    """The case after moves of (action, person) at one moment; none of them may be refused."""
    for action, by in moves:
        case = machine.step(case, action, by, NOW)
        assert not isinstance(case, Refusal), (action, case)
    return case


def refused(case, action, by, now=NOW):
    """The reason of a move that must be refused."""
    answer = machine.step(case, action, by, now)
    assert isinstance(answer, Refusal), answer
    return answer.reason


def successors(case):
    """Every case that one move of anybody makes: each action of each person, and ours."""
    late = case.deadline or NOW
    for person in PEOPLE:
        yield machine.touch(case, person.name, NOW)
        for action in OF_PEOPLE:
            yield machine.step(case, action, person, NOW)
    for action in OF_CONTROLLER:
        yield machine.step(case, action, None, late if action is Action.EXPIRE else NOW)


def reachable(starts, moved=successors):
    """Every case that can come of ``starts``, and how many moves were tried."""
    seen, todo, moves = set(starts), deque(starts), 0
    while todo:
        for case in moved(todo.popleft()):
            moves += 1
            if not isinstance(case, Refusal) and case not in seen:
                seen.add(case)
                todo.append(case)
    return seen, moves


def check(case):
    """What must be true of every case that can come about."""
    said = (*case.votes, *case.breakers)
    voters = [vote.person for vote in case.votes]
    assert len(set(voters)) == len(voters)
    assert case.requested_by not in {vote.person for vote in said}
    if case.state not in {State.RELEASED, State.RELEASING, State.FAILED, State.VOID}:
        assert not {vote.login for vote in said} & case.touched
    if not case.all_voted:
        assert machine.shown_votes(case) == ()
        assert case.state is not State.DECLINED
    if case.valid_until is not None:
        approvers = {vote.person for vote in case.approvers}
        assert len(approvers) >= 2
        assert all(vote.choice is not Action.DECLINE for vote in case.approvers)
    else:
        assert case.state not in {
            State.APPROVED,
            State.RESTORING,
            State.RELEASING,
            State.RELEASED,
            State.FAILED,
        }
    assert (case.deadline is not None) == (case.state in states.WAITING)
    assert bool(machine.owner(case)) == (case.state in states.WAITING)


@pytest.mark.parametrize("glass", [GLASS, None], ids=["glass", "no-glass"])
@pytest.mark.parametrize("seats", [("zone-owner", "security"), (ANY, ANY, ANY)])
def test_every_interleaving_of_four_people_keeps_the_rules(seats, glass):
    """Whatever four people do in whatever order, two others than who asked let the file through."""
    terms = replace(TERMS, reviewers=seats, break_glass=glass)
    cases, moves = reachable([requested(person, terms) for person in PEOPLE])
    for case in cases:
        check(case)
    seen = {case.state for case in cases}
    assert seen == set(State) - (set() if glass else {State.BREAK_GLASS})
    assert moves > 10_000


@pytest.mark.parametrize("alone", PEOPLE, ids=lambda person: person.name)
def test_nobody_alone_gets_a_file_released(alone):
    """Whoever asked, one person with every role and every action never brings it to approved."""

    def moved(case):
        yield machine.touch(case, alone.name, NOW)
        for action in OF_PEOPLE:
            yield machine.step(case, action, alone, NOW)
        for action in OF_CONTROLLER:
            yield machine.step(case, action, None, NOW)

    cases, _ = reachable([requested(person) for person in PEOPLE], moved)
    assert len(cases) > len(PEOPLE)
    assert not any(case.valid_until for case in cases)


def test_what_a_vote_said_shows_nowhere_before_all_have_voted():
    """The cases after an approval and after a refusal differ in the hidden choice only."""
    ann, bob, *_ = PEOPLE
    shown = []
    for action in (Action.APPROVE, Action.DECLINE):
        case = after(requested(ann), (action, bob))
        hidden = replace(case.votes[0], choice=Action.APPROVE)
        shown.append((replace(case, votes=(hidden,)), machine.owner(case)))
        assert machine.shown_votes(case) == ()
    assert shown[0] == shown[1]


def test_one_vote_against_declines_once_all_have_voted():
    """And not before: the end of the review would tell the others what was voted."""
    ann, bob, cem, _ = PEOPLE
    case = after(requested(ann), (Action.DECLINE, bob))
    assert case.state is State.VOTING
    case = after(case, (Action.APPROVE, cem))
    assert case.state is State.DECLINED
    assert [vote.choice for vote in machine.shown_votes(case)] == [Action.DECLINE, Action.APPROVE]


def test_every_role_has_its_own_person():
    """Roles add up: two owners of the zone do not fill the seat of security."""
    owner, other = (Person(n, n, frozenset({Role.ZONE_OWNER})) for n in ("o1", "o2"))
    security = Person("s1", "s1", frozenset({Role.SECURITY, Role.ZONE_OWNER}))
    case = after(requested(PEOPLE[0]), (Action.APPROVE, owner))
    assert refused(case, Action.APPROVE, other) is RefusalReason.SEAT
    assert machine.owner(case) == "security"
    assert after(case, (Action.APPROVE, security)).state is State.APPROVED


def test_somebody_with_two_roles_takes_whichever_seat_leaves_one_for_the_next():
    """A seat is not bound to whoever could take it first."""
    both = Person("b", "b", frozenset({Role.SECURITY, Role.ZONE_OWNER}))
    owner = Person("o", "o", frozenset({Role.ZONE_OWNER}))
    case = after(requested(PEOPLE[0]), (Action.APPROVE, both), (Action.APPROVE, owner))
    assert case.state is State.APPROVED


def test_many_seats_are_filled_at_once():
    """Who fits one seat only, and comes last, makes the others move; nobody tries all orders."""
    seats = tuple(sorted(REVIEWERS * 6))
    almighty, owner = frozenset(Role), frozenset({Role.ZONE_OWNER})
    assert machine.vacant([almighty] * 18 + [owner] * 6, seats) == ()
    assert machine.vacant([almighty] * 17 + [owner] * 7, seats) is None


@pytest.mark.parametrize("role", [Role.VIEWER, Role.ENGINEER, Role.ADMINISTRATOR])
def test_roles_that_review_nothing_have_no_vote(role):
    """Not even in a seat for any reviewer."""
    case = requested(PEOPLE[0], replace(TERMS, reviewers=(ANY, ANY)))
    outsider = Person("x", "x", frozenset({role}))
    assert refused(case, Action.APPROVE, outsider) is RefusalReason.ROLE
    assert refused(case, Action.BREAK_GLASS, outsider) is RefusalReason.ROLE


def test_refusals_say_why():
    """Each rule has its own word."""
    ann, bob, cem, dee = PEOPLE
    case = requested(ann, touched={"dee"})
    assert refused(case, Action.APPROVE, ann) is RefusalReason.SELF_APPROVAL
    assert refused(case, Action.BREAK_GLASS, ann) is RefusalReason.SELF_APPROVAL
    assert refused(case, Action.APPROVE, dee) is RefusalReason.TOUCHED
    assert refused(case, Action.BREAK_GLASS, dee) is RefusalReason.TOUCHED
    assert refused(case, Action.WITHDRAW, bob) is RefusalReason.NOT_REQUESTER
    voted = after(case, (Action.APPROVE, bob))
    assert refused(voted, Action.DECLINE, bob) is RefusalReason.VOTED
    broken = after(case, (Action.BREAK_GLASS, bob))
    assert refused(broken, Action.BREAK_GLASS, bob) is RefusalReason.VOTED
    assert refused(broken, Action.APPROVE, cem) is RefusalReason.CONFLICT
    shut = requested(ann, replace(TERMS, break_glass=None))
    assert refused(shut, Action.BREAK_GLASS, bob) is RefusalReason.BREAK_GLASS_OFF


def test_a_new_identity_of_the_same_login_has_no_second_vote():
    """Whoever was removed and added again is still who voted, and who asked."""
    ann, bob, *_ = PEOPLE
    case = after(requested(ann), (Action.APPROVE, bob))
    assert refused(case, Action.APPROVE, replace(bob, id="new")) is RefusalReason.VOTED
    assert refused(case, Action.APPROVE, replace(ann, id="new")) is RefusalReason.TOUCHED


def test_an_approver_who_opens_the_file_voids_the_release():
    """Also after the last vote, as long as the file has not crossed."""
    ann, bob, cem, _ = PEOPLE
    case = after(requested(ann), (Action.APPROVE, bob), (Action.APPROVE, cem))
    assert machine.touch(case, "dee", NOW).state is State.APPROVED
    assert machine.touch(case, "bob", NOW).state is State.VOID


def test_breaking_the_glass_is_shorter_than_a_review():
    """Its second person and the file itself have less time."""
    ann, bob, cem, _ = PEOPLE
    case = after(requested(ann), (Action.BREAK_GLASS, bob))
    assert case.deadline == NOW + GLASS.within
    case = after(case, (Action.BREAK_GLASS, cem))
    assert (case.state, case.valid_until) == (State.APPROVED, NOW + GLASS.valid_for)


def test_nothing_that_comes_back_makes_an_approval_last_longer():
    """However often an agent says that nobody got the file, the end stays."""
    ann, bob, cem, _ = PEOPLE
    case = after(requested(ann), (Action.APPROVE, bob), (Action.APPROVE, cem))
    later = NOW + HOUR / 2
    for action in (Action.RESTORE, Action.RESTORED, Action.START, Action.NOT_MOVED):
        case = machine.step(case, action, None, later)
    assert (case.state, case.deadline) == (State.APPROVED, NOW + HOUR)


def test_nothing_is_allowed_at_or_after_a_deadline():
    """Not even before the controller has noticed that it is over."""
    ann, bob, cem, _ = PEOPLE
    asked = requested(ann)
    assert refused(asked, Action.APPROVE, bob, asked.deadline) is RefusalReason.CONFLICT
    case = after(asked, (Action.APPROVE, bob), (Action.APPROVE, cem))
    assert refused(case, Action.START, None, case.deadline) is RefusalReason.CONFLICT
    assert refused(case, Action.EXPIRE, None) is RefusalReason.CONFLICT


def test_a_clock_set_back_reopens_nothing():
    """Within one release time does not run backwards."""
    ann, bob, cem, _ = PEOPLE
    case = after(requested(ann), (Action.APPROVE, bob), (Action.APPROVE, cem))
    case = machine.step(case, Action.START, None, NOW + HOUR / 2)
    case = machine.step(case, Action.NOT_MOVED, None, NOW - HOUR)
    assert case.changed_at == NOW + HOUR / 2


def test_every_waiting_state_has_an_owner_and_a_time_in_the_documentation():
    """The page of releases says of each state whom it waits for, and until when."""
    assert diagram.WAITS.keys() == states.WAITING


def test_every_state_can_end_and_every_waiting_state_can_run_out():
    """No state is a trap, and the ends are ends."""
    for state in states.WAITING:
        assert {(state, Action.EXPIRE), (state, Action.FAIL)} & TRANSITIONS.keys()
    todo, ends = set(State), {s for s in State if not any(s is a for a, _ in TRANSITIONS)}
    while found := {s for (s, _), to in TRANSITIONS.items() if to in ends} - ends:
        ends |= found
    assert ends == todo


def test_the_roles_of_policies_are_roles_of_people():
    """A seat that nobody could take would hold a file for ever."""
    assert set(REVIEWERS) < {role.value for role in Role}


class Walk(RuleBasedStateMachine):
    """Longer walks than the search's, with other roles, terms, times and logins."""

    people = st.integers(0, 7)

    @initialize(
        roles=st.lists(
            st.frozensets(st.sampled_from(list(Role)), min_size=1), min_size=8, max_size=8
        ),
        seats=st.lists(st.sampled_from((*REVIEWERS, ANY)), min_size=2, max_size=4),
        glass=st.booleans(),
    )
    def begin(self, roles, seats, glass):
        """Eight people with any roles, and any terms."""
        self.people_known = [Person(f"id-{i}", f"p{i}", given) for i, given in enumerate(roles)]
        terms = replace(TERMS, reviewers=tuple(seats), break_glass=GLASS if glass else None)
        self.now = NOW
        self.case = requested(self.people_known[0], terms)

    @rule(who=people, action=st.sampled_from(OF_PEOPLE))
    def act(self, who, action):
        """Somebody does something."""
        self._take(machine.step(self.case, action, self.people_known[who], self.now))

    @rule(who=people)
    def open_file(self, who):
        """Somebody opens the file."""
        self.case = machine.touch(self.case, f"p{who}", self.now)

    @rule(action=st.sampled_from(OF_CONTROLLER))
    def control(self, action):
        """The controller does something."""
        self._take(machine.step(self.case, action, None, self.now))

    @rule(minutes=st.integers(-600, 600))
    def pass_time(self, minutes):
        """The clock goes on, or is set back."""
        self.now += timedelta(minutes=minutes)

    @precondition(lambda self: machine.is_over(self.case, self.now))
    @rule()
    def run_out(self):
        """The controller notices that a deadline is over."""
        made = machine.step(self.case, machine.overdue(self.case), None, self.now)
        assert made.state in {State.EXPIRED, State.FAILED}
        self.case = made

    def _take(self, made):
        if isinstance(made, Refusal):
            return
        assert made.changed_at >= self.case.changed_at
        was_over = machine.is_over(self.case, self.now)
        assert not (was_over and made.state in {State.RELEASING, State.RESTORING})
        self.case = made

    @invariant()
    def rules_hold(self):
        """The rules of every case."""
        check(self.case)


Walk.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
test_longer_walks = Walk.TestCase
