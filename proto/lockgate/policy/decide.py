"""The decision about one transfer: pure, total, and never milder than the floor.

Rules enforced here:

1. Every rule of every policy that applies is evaluated; the strictest verdict wins:
   QUARANTINE, BLOCK, HOLD, ALLOW. Among equals the first rule speaks.
2. No rule: HOLD ``no-rule``. A rule that cannot be evaluated: HOLD ``policy-error``, unless
   its policy says Ignore. A stricter rule still wins over that HOLD.
3. The floor, whatever a policy says: a gap or an incomplete report, content without a SHA-256
   or a report of another size than the file's is never allowed; neither is a protected key.
4. Bindings that only warn or audit change no verdict; what their rules say is kept.
5. A verdict holds for every opener only if no expression that was evaluated may read one.
6. Canaries are refused by no policy's leave (:mod:`lockgate.policy.canary`).
7. All expressions of one decision share a budget of processor time. Once it is spent, what is
   left counts as failed, and no failure policy excuses that: it may be another policy's doing.
   Policies that deny are evaluated before those that only tell.
8. People may let through what is stopped only on the terms of every rule that stops it, and
   nothing below the floor: no gap, no protected key, no canary, no failed expression.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from lockgate.policy.canary import block, without_canaries
from lockgate.policy.model import (
    Action,
    EvaluationError,
    Expression,
    FailurePolicy,
    OverBudgetError,
    Policy,
    Rule,
    TransferPolicy,
)
from lockgate.scan.report import FindingClass, Outcome, Report
from lockgate.wire.terms import ReleaseTerms, combined
from lockgate.wire.transfer import Decision, HoldReason, Transfer, Verdict, hold

#: Seconds of processor time that the expressions of one decision may take together.
BUDGET_SECONDS = 0.25

_STRICTNESS = {Verdict.ALLOW: 0, Verdict.HOLD: 1, Verdict.BLOCK: 2, Verdict.QUARANTINE: 3}


@dataclass(slots=True)
class _Evaluation:
    """What the policies said of one transfer, gathered. ``until``: see :func:`_value`."""

    subject: Any
    until: float
    matched: list[Rule] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)
    audit: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    over_budget: list[str] = field(default_factory=list)
    reads_opener: bool = False


def decide(report: Report, transfer: Transfer, policy: Policy, now: datetime) -> Decision:
    """What happens to ``transfer``; never raises, and whatever is in doubt is a HOLD."""
    try:
        rest = without_canaries(report)
        if rest is report:
            return _floor(report, transfer, _decide(report, transfer, policy, now))
        return _with_canaries(rest, transfer, policy, now)
    except Exception:  # noqa: BLE001  (the failure rule: an unforeseen fault holds the file)
        return hold(HoldReason.POLICY_ERROR, policy_digest=policy.digest)


def _with_canaries(rest: Report, transfer: Transfer, policy: Policy, now: datetime) -> Decision:
    """A file with canaries; ``rest`` is what else was found in it."""
    refused = block(policy.digest)
    if not rest.findings:
        return refused
    decision = replace(_decide(rest, transfer, policy, now), release=None)
    return max(decision, refused, key=lambda d: _STRICTNESS[d.verdict])


def _decide(report: Report, transfer: Transfer, policy: Policy, now: datetime) -> Decision:
    from lockgate.policy.expression import subject_of

    seen = _Evaluation(subject_of(report, transfer, now), time.thread_time() + BUDGET_SECONDS)
    for one, actions in _applying(policy, transfer):
        _evaluate(one, actions, seen)
    decision = _conclude(seen, now)
    return replace(
        decision,
        policy_digest=policy.digest,
        opener_independent=not seen.reads_opener,
        warnings=(*(r.warning for r in seen.matched if r.warning), *seen.advice),
        audit=tuple(seen.audit),
        page=any(rule.page for rule in seen.matched),
    )


def _applying(policy: Policy, transfer: Transfer) -> list[tuple[TransferPolicy, frozenset[Action]]]:
    """Each policy that some binding applies to the transfer, with all its actions."""
    matching = [binding for binding in policy.bindings if binding.matches(transfer)]
    applying: list[tuple[TransferPolicy, frozenset[Action]]] = []
    for one in policy.policies:
        actions = [binding.actions for binding in matching if binding.policy == one.name]
        if actions:
            applying.append((one, frozenset().union(*actions)))
    return sorted(applying, key=lambda each: Action.DENY not in each[1])


def _value(expression: Expression, name: str, seen: _Evaluation) -> bool:
    """The value of an expression, if the budget allows for it; ``name`` is whom to blame.

    Raises:
        EvaluationError: it has none.
    """
    _refuse_if(bool(seen.over_budget), name, seen)
    try:
        return expression.evaluate(seen.subject)
    finally:  # also a failure has taken its time
        _refuse_if(time.thread_time() > seen.until, name, seen)


def _refuse_if(spent: bool, name: str, seen: _Evaluation) -> None:  # noqa: FBT001  (the question)
    """Give no value once this thread has used the processor for too long."""
    if spent:
        seen.over_budget.append(name)
        raise OverBudgetError("the evaluation took too long")


def _evaluate(policy: TransferPolicy, actions: frozenset[Action], seen: _Evaluation) -> None:
    conditions = tuple(condition.expression for condition in policy.conditions)
    expressions = (*conditions, *(rule.expression for rule in policy.rules))
    seen.reads_opener |= any(expression.reads_opener for expression in expressions)
    before = len(seen.over_budget)
    matched: list[Rule] = []
    failed: list[str] = []
    try:
        applies = all(_value(condition, policy.name, seen) for condition in conditions)
    except EvaluationError:
        applies = False
        failed.append(policy.name)
    for rule in policy.rules if applies else ():
        try:
            if _value(rule.expression, rule.name, seen):
                matched.append(rule)
        except EvaluationError:
            failed.append(rule.name)
    overrun = seen.over_budget[before:]
    if Action.DENY in actions:
        seen.matched += matched
        seen.failed += failed if policy.failure_policy is FailurePolicy.FAIL else overrun
    elif Action.WARN in actions:
        seen.advice += [rule.warning or rule.message or rule.name for rule in matched]
    if Action.AUDIT in actions:
        seen.audit += [f"{policy.name}/{rule.name}: {rule.verdict.value}" for rule in matched]
        seen.audit += [f"{policy.name}/{name}: no value" for name in failed]


def _conclude(seen: _Evaluation, now: datetime) -> Decision:
    strictest = max(seen.matched, key=lambda rule: _STRICTNESS[rule.verdict], default=None)
    if seen.failed and (strictest is None or strictest.verdict in {Verdict.ALLOW, Verdict.HOLD}):
        return replace(hold(HoldReason.POLICY_ERROR), rule=seen.failed[0])
    if strictest is None:
        return hold(HoldReason.NO_RULE)
    held = strictest.verdict is Verdict.HOLD
    return Decision(
        verdict=strictest.verdict,
        hold_reason=strictest.hold_reason if held else None,
        rule=strictest.name,
        message=strictest.message,
        cache_until=_cache_until(seen.matched, strictest, now),
        wait_until=now + strictest.wait.within if strictest.wait else None,
        wait_for=strictest.wait.role if strictest.wait else "",
        release=_release(seen),
    )


def _release(seen: _Evaluation) -> ReleaseTerms | None:
    """On what terms people may let through what these rules stop."""
    stopping = [rule for rule in seen.matched if rule.verdict is not Verdict.ALLOW]
    return None if seen.failed else combined(rule.release for rule in stopping)


def _cache_until(matched: list[Rule], strictest: Rule, now: datetime) -> datetime | None:
    """An ALLOW may be used again only as long as every rule that gave it says so."""
    spans: list[timedelta] = [rule.cache for rule in matched if rule.cache is not None]
    if strictest.verdict is not Verdict.ALLOW or len(spans) != len(matched):
        return None
    return now + min(spans)


def _floor(report: Report, transfer: Transfer, decision: Decision) -> Decision:
    reason = _unfit(report, transfer)
    if reason is None:
        return decision
    if decision.verdict is not Verdict.ALLOW:
        return replace(decision, release=None)
    return replace(
        decision,
        verdict=Verdict.HOLD,
        hold_reason=reason,
        message=reason.explanation,
        cache_until=None,
    )


def _unfit(report: Report, transfer: Transfer) -> HoldReason | None:
    """Why neither policy nor people may let a file through; None when they may."""
    if report.gaps or report.outcome is Outcome.INCOMPLETE or report.sha256 is None:
        return HoldReason.GAP
    if report.size != transfer.identity.size:
        return HoldReason.CHANGED
    if any(finding.class_ is FindingClass.PROTECTED for finding in report.findings):
        return HoldReason.POLICY
    return None
