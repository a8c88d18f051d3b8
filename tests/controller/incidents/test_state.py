"""The states of an incident."""

from hypothesis import given
from hypothesis import strategies as st

from lockgate.controller.incidents.state import IncidentAction, IncidentState, Step, after, seen

CLOSED, OPEN = IncidentState.CLOSED, IncidentState.OPEN
flag = st.booleans()


def test_people_only_move_forwards():
    """Open, acknowledged, closed; nothing else can be done."""
    possible = {
        (state, action): then
        for state in IncidentState
        for action in IncidentAction
        if (then := after(state, action)) is not None
    }
    assert possible == {
        (OPEN, IncidentAction.ACKNOWLEDGE): IncidentState.ACKNOWLEDGED,
        (OPEN, IncidentAction.CLOSE): CLOSED,
        (IncidentState.ACKNOWLEDGED, IncidentAction.CLOSE): CLOSED,
    }


@given(st.sampled_from([None, *IncidentState]), flag, flag, flag)
def test_a_sighting_never_closes_and_always_tells_what_changed(state, was, is_, ruled):
    """A closed incident stays closed only when a ruling says so, never for a key that is raised."""
    then, step = seen(state, was_protected=was, is_protected=is_, is_ruled=ruled)
    assert then is not CLOSED or (ruled and state in (None, CLOSED))
    if is_ and not was and state is not None:
        assert (then, step) == (OPEN, Step.RAISED)
    else:
        assert (step is Step.AGAIN) == (then == state or (state is None and ruled))
