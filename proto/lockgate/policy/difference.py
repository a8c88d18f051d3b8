"""What differs between two policies: what they say, and what they decide.

Rules enforced here:

1. What they say is compared after loading: comments, spelling, order of documents and defaults
   written out make no difference; blanks in an expression make none either.
2. What they decide is compared over a grid of samples: each class of finding, a gap, a shallow
   scan and a clean file, over every boundary, in every zone and on every host that one of the
   two names, and in one that neither does. The grid finds changes, it proves no equality.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from lockgate.policy import sample
from lockgate.policy.decide import decide
from lockgate.policy.model import Binding, Policy, Rule, TransferPolicy
from lockgate.scan.report import FindingClass, GapReason, Report
from lockgate.wire.terms import ReleaseTerms
from lockgate.wire.transfer import Boundary, Decision, Opener, Transfer

#: Zones and hosts of the grid, at most; policies may name any number.
_MOST_NAMES = 12
_OTHER = "another"
_ORDER = "order of rules"


class Change(StrEnum):
    """What became of something that a policy says."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that two policies say differently.

    ``what`` names it, outermost first, such as ``("policy p", "rule r", "verdict")``.
    """

    change: Change
    what: tuple[str, ...]
    old: Any = None
    new: Any = None


@dataclass(frozen=True, slots=True)
class VerdictChange:
    """One sample of the grid that is decided differently."""

    content: str
    zone: str
    signing: bool
    host: str
    boundary: Boundary
    opener: bool
    old: Decision
    new: Decision


def differences(old: Policy, new: Policy) -> tuple[Difference, ...]:
    """Everything that two policies say differently."""
    return tuple(_compare((), _said(old), _said(new)))


def verdict_changes(old: Policy, new: Policy) -> Iterator[VerdictChange]:
    """Every sample of the grid that the two decide differently."""
    for content, report in _contents():
        for one in _transfers(old, new):
            before = decide(report, one, old, sample.NOW)
            after = decide(report, one, new, sample.NOW)
            if outcome(before) != outcome(after):
                yield VerdictChange(
                    content=content,
                    zone=one.zone.name,
                    signing=one.zone.signing,
                    host=one.host,
                    boundary=one.boundary,
                    opener=one.opener is not None,
                    old=before,
                    new=after,
                )


def outcome(decision: Decision) -> tuple[str, str]:
    """Verdict and, for a HOLD, its reason: what makes two decisions differ."""
    reason = decision.hold_reason
    return decision.verdict.value, "" if reason is None else reason.value


def _compare(
    above: tuple[str, ...], old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[Difference]:
    for key in dict.fromkeys((*old, *new)):
        what = (*above, key)
        if key not in new:
            yield Difference(Change.REMOVED, what, old=_brief(old[key]))
        elif key not in old:
            yield Difference(Change.ADDED, what, new=_brief(new[key]))
        elif isinstance(old[key], Mapping) and isinstance(new[key], Mapping):
            yield from _compare(what, old[key], new[key])
        elif key == _ORDER and _in_common(old[key], new[key]) == _in_common(new[key], old[key]):
            continue
        elif old[key] != new[key]:
            yield Difference(Change.CHANGED, what, old[key], new[key])


def _in_common(names: list[str], others: list[str]) -> list[str]:
    """The rules that both have, in the order of the first: only that order is a change."""
    return [name for name in names if name in others]


def _brief(said: Any) -> Any:
    """Of something added or removed as a whole its own words, not all that is in it."""
    if not isinstance(said, Mapping):
        return said
    return {key: value for key, value in said.items() if not isinstance(value, Mapping)}


def _said(policy: Policy) -> dict[str, Any]:
    """All that a policy says, by name."""
    policies = {f"policy {one.name}": _policy(one) for one in policy.policies}
    return {**policies, **{f"binding {one.name}": _binding(one) for one in policy.bindings}}


def _policy(policy: TransferPolicy) -> dict[str, Any]:
    conditions = {f"condition {c.name}": {"expression": _text(c)} for c in policy.conditions}
    rules = {f"rule {rule.name}": _rule(rule) for rule in policy.rules}
    order = [rule.name for rule in policy.rules]
    failure = policy.failure_policy.value
    return {"failurePolicy": failure, _ORDER: order, **conditions, **rules}


def _text(owner: Any) -> str:
    return " ".join(owner.expression.text.split())


def _rule(rule: Rule) -> dict[str, Any]:
    wait = rule.wait
    said = {
        "expression": _text(rule),
        "verdict": rule.verdict.value,
        "message": rule.message,
        "warning": rule.warning,
        "page": rule.page,
        "holdReason": rule.hold_reason.value,
        "wait": wait and f"{wait.role} within {wait.within}",
        "cache": rule.cache and str(rule.cache),
        "release": rule.release and _terms(rule.release),
    }
    return {key: value for key, value in said.items() if value not in {None, "", False}}


def _terms(terms: ReleaseTerms) -> str:
    reviewers = " and ".join(terms.reviewers)
    glass = terms.break_glass
    past = f"; past it {' or '.join(glass.by)} within {glass.within}" if glass else ""
    valid = f", valid for {terms.valid_for}"
    return f"{reviewers} within {terms.within}{valid}{past}"


def _binding(binding: Binding) -> dict[str, Any]:
    return {
        "policyName": binding.policy,
        "zones": sorted(binding.zones) or "all",
        "boundaries": sorted(binding.boundaries) or "all",
        "hosts": sorted(binding.hosts) or "all",
        "actions": sorted(action.value for action in binding.actions),
    }


def _contents() -> Iterator[tuple[str, Report]]:
    """What files of the grid hold, in words."""
    yield "clean", sample.report()
    for class_ in FindingClass:
        yield class_.value, sample.report([sample.finding(class_)])
    yield "gap", sample.report(gaps=[GapReason.TRUNCATED])
    yield "gap and test", sample.report([sample.finding(FindingClass.TEST)], [GapReason.DAMAGED])
    yield "clean, fast scan", sample.report(profile="fast")


def _transfers(old: Policy, new: Policy) -> Iterator[Transfer]:
    bindings = (*old.bindings, *new.bindings)
    zones = _names(name for binding in bindings for name in binding.zones)
    hosts = _names(name for binding in bindings for name in binding.hosts)
    openers = (None, Opener(1, 0, executable="/bin/cp", command="cp", user="root"))
    grid = itertools.product(zones, (False, True), hosts, Boundary, openers)
    for zone, signing, host, boundary, opener in grid:
        yield sample.transfer(
            zone=zone, signing=signing, host=host, boundary=boundary, opener=opener
        )


def _names(named: Iterator[str]) -> list[str]:
    return [*sorted(set(named))[:_MOST_NAMES], _OTHER]
