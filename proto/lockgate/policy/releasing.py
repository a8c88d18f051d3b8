"""Reading the ``release`` of a rule: on what terms people may let through what the rule stops.

Rules enforced here: at least two seats, roles that may review, and no terms on a rule that allows;
docs/policy.md describes every field.
"""

from __future__ import annotations

from typing import Any

from lockgate.policy.document import Value
from lockgate.policy.model import nearest
from lockgate.wire.terms import (
    ANY,
    LEAST_REVIEWERS,
    MOST_REVIEWERS,
    REVIEWERS,
    BreakGlass,
    ReleaseTerms,
)


def release_terms(value: Value) -> ReleaseTerms:
    """The terms at this place.

    Raises:
        PolicyError: every fault in them.
    """
    readers = {
        "reviewers": _reviewers,
        "within": Value.duration,
        "validFor": Value.duration,
        "breakGlass": _break_glass,
    }
    read = value.fields(readers, ("reviewers", "within", "validFor"))
    return ReleaseTerms(read["reviewers"], read["within"], read["validFor"], read.get("breakGlass"))


def _break_glass(value: Value) -> BreakGlass:
    readers: dict[str, Any] = {
        "by": lambda given: _roles(given, REVIEWERS),
        "within": Value.duration,
        "validFor": Value.duration,
    }
    read = value.fields(readers, readers)
    if not read["by"]:
        raise value.fault('"by": expected at least one role')
    return BreakGlass(read["by"], read["within"], read["validFor"])


def _reviewers(value: Value) -> tuple[str, ...]:
    seats = _roles(value, (*REVIEWERS, ANY))
    if not LEAST_REVIEWERS <= len(seats) <= MOST_REVIEWERS:
        raise value.fault(f"expected {LEAST_REVIEWERS} to {MOST_REVIEWERS} reviewers")
    return seats


def _roles(value: Value, known: tuple[str, ...]) -> tuple[str, ...]:
    return value.each(lambda item: _role(item, known))


def _role(value: Value, known: tuple[str, ...]) -> str:
    word = value.text()
    if word not in known:
        raise value.fault(f"{word!r} is not one of {', '.join(known)}", nearest(word, known))
    return word
