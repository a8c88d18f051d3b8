"""The part of docs/releases.md that is drawn from the machine: states, actions and the diagram.

The diagram is a Mermaid ``stateDiagram-v2``, which code hosts and editors show as a picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lockgate.controller.release.machine import MOVE_WITHIN
from lockgate.controller.release.states import BY_PEOPLE, TRANSITIONS, WAITING, Action, State

#: Of each waiting state: whom it waits for, and until when.
WAITS: Mapping[State, tuple[str, str]] = {
    State.REQUESTED: ("the reviewers' roles", "`within` of the rule"),
    State.VOTING: ("the roles whose vote is missing", "the same as before the first vote"),
    State.BREAK_GLASS: ("the roles of `breakGlass.by`", "`breakGlass.within`"),
    State.APPROVED: ("`engineer`", "`validFor`, or `breakGlass.validFor`, after the approval"),
    State.RESTORING: ("`on-call`", f"{MOVE_WITHIN.seconds // 60} minutes"),
    State.RELEASING: ("`on-call`", f"{MOVE_WITHIN.seconds // 60} minutes"),
}
BEGIN, END = "<!-- states: written by `make tables` -->\n", "<!-- end of states -->\n"


def render() -> str:
    """The part, with its marks."""
    return BEGIN + "\n".join([*_diagram(), "", *_states(), "", *_actions()]) + "\n" + END


def put_into(page: str) -> str:
    """The page with its part drawn anew.

    Raises:
        ValueError: the page lacks the marks.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError("the page has no place for the states")
    return before + render() + after


def _diagram() -> Iterator[str]:
    yield "```mermaid"
    yield "stateDiagram-v2"
    for state in State:
        yield f'    state "{state.value}" as {_name(state)}'
    yield f"    [*] --> {_name(State.REQUESTED)}: request"
    for (state, action), target in TRANSITIONS.items():
        yield f"    {_name(state)} --> {_name(target)}: {action.value}"
    for state in State:
        if state not in WAITING:
            yield f"    {_name(state)} --> [*]"
    yield "```"


def _states() -> Iterator[str]:
    yield "| state | meaning | waits for | at most |"
    yield "|---|---|---|---|"
    for state in State:
        owner, limit = WAITS.get(state, ("", ""))
        yield f"| `{state.value}` | {state.explanation} | {owner} | {limit} |"


def _actions() -> Iterator[str]:
    yield "| action | by | meaning |"
    yield "|---|---|---|"
    for action in Action:
        by = "a person" if action in BY_PEOPLE else "the controller"
        yield f"| `{action.value}` | {by} | {action.explanation} |"


def _name(state: State) -> str:
    """The state's identifier in the diagram."""
    return state.value.replace("-", "_")
