"""Loading policies from YAML documents of the kinds TransferPolicy and TransferPolicyBinding.

Rules enforced here:

1. The shape is that of Kubernetes ValidatingAdmissionPolicy and its binding; docs/policy.md
   describes every field.
2. Names are unique, every binding names a policy that is there, and every policy is bound:
   a policy that could never apply is a mistake.
3. The digest is the SHA-256 of the content, not of its spelling: comments and order of
   documents do not change it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from pathlib import Path

from lockgate.policy.document import Value, documents
from lockgate.policy.model import (
    Action,
    Binding,
    Expression,
    FailurePolicy,
    Policy,
    PolicyError,
    Rule,
    TransferPolicy,
    Wait,
)
from lockgate.wire.transfer import Boundary, HoldReason, Verdict

API_VERSION = "lockgate.dev/v1"

_DOCUMENT = ("apiVersion", "kind", "metadata", "spec")
_RULE = (
    "name",
    "expression",
    "verdict",
    "message",
    "warning",
    "page",
    "holdReason",
    "wait",
    "cache",
)


def load(sources: Sequence[Path]) -> Policy:
    """The policy of all documents in ``sources``, checked.

    Raises:
        PolicyError: anything at all is wrong; nothing of the policy is used then.
    """
    policies: dict[str, TransferPolicy] = {}
    bindings: dict[str, Binding] = {}
    contents: list[str] = []
    for source in sources:
        for document, content in documents(source):
            _load_document(document, policies, bindings)
            contents.append(json.dumps(content, sort_keys=True, separators=(",", ":"), default=str))
    bound = {binding.policy for binding in bindings.values()}
    for name in bound ^ policies.keys():
        what = "a binding names it, but it is not there" if name in bound else "no binding names it"
        raise PolicyError(f'policy "{name}": {what}')
    if not policies:
        raise PolicyError("there is no policy in " + ", ".join(map(str, sources)))
    digest = hashlib.sha256("\n".join(sorted(contents)).encode()).hexdigest()
    return Policy(tuple(policies.values()), tuple(bindings.values()), digest)


@cache
def default_policy() -> Policy:
    """The policy that is shipped: ``default.yaml`` beside this module."""
    return load([Path(__file__).with_name("default.yaml")])


def _load_document(
    document: Value, policies: dict[str, TransferPolicy], bindings: dict[str, Binding]
) -> None:
    table = document.table(_DOCUMENT, _DOCUMENT)
    if table["apiVersion"].text() != API_VERSION:
        raise table["apiVersion"].fault(f"expected {API_VERSION}")
    name = table["metadata"].table(("name",), ("name",))["name"]
    kind = table["kind"].text()
    if kind not in {"TransferPolicy", "TransferPolicyBinding"}:
        raise table["kind"].fault("expected TransferPolicy or TransferPolicyBinding")
    if name.text() in (policies if kind == "TransferPolicy" else bindings):
        raise name.fault(f"another {kind} has this name")
    if kind == "TransferPolicy":
        policies[name.text()] = _policy(name.text(), table["spec"])
    else:
        bindings[name.text()] = _binding(table["spec"])


def _policy(name: str, spec: Value) -> TransferPolicy:
    table = spec.table(("failurePolicy", "matchConditions", "rules"), ("rules",))
    conditions = table["matchConditions"].items() if "matchConditions" in table else []
    rules = tuple(_rule(value) for value in table["rules"].items())
    names = [rule.name for rule in rules]
    if not rules or len(set(names)) != len(names):
        raise table["rules"].fault("expected at least one rule, each with its own name")
    chosen = table.get("failurePolicy")
    return TransferPolicy(
        name=name,
        failure_policy=chosen.choice(FailurePolicy) if chosen else FailurePolicy.FAIL,
        conditions=tuple(_condition(value) for value in conditions),
        rules=rules,
    )


def _condition(value: Value) -> Expression:
    names = ("name", "expression")
    return _expression(value.table(names, names)["expression"])


def _rule(value: Value) -> Rule:
    table = value.table(_RULE, ("name", "expression", "verdict"))
    verdict = table["verdict"].choice(Verdict)
    for key, needed in (("cache", Verdict.ALLOW), ("holdReason", Verdict.HOLD)):
        if key in table and verdict is not needed:
            raise table[key].fault(f"only a rule with verdict {needed} has it")
    return Rule(
        name=table["name"].text(),
        expression=_expression(table["expression"]),
        verdict=verdict,
        message=table["message"].text() if "message" in table else "",
        warning=table["warning"].text() if "warning" in table else "",
        page=table["page"].truth() if "page" in table else False,
        hold_reason=_hold_reason(table.get("holdReason")),
        wait=_wait(table["wait"]) if "wait" in table else None,
        cache=_cache(table["cache"]) if "cache" in table else None,
    )


def _hold_reason(value: Value | None) -> HoldReason:
    if value is None:
        return HoldReason.POLICY
    reason = value.choice(HoldReason)
    if reason not in {HoldReason.POLICY, HoldReason.GAP}:
        raise value.fault("a rule holds for policy or for gap")
    return reason


def _wait(value: Value) -> Wait:
    table = value.table(("for", "within"), ("for", "within"))
    return Wait(table["for"].text(), table["within"].duration())


def _cache(value: Value) -> timedelta:
    return value.table(("for",), ("for",))["for"].duration()


def _expression(value: Value) -> Expression:
    from lockgate.policy.expression import compile_expression

    try:
        return compile_expression(value.text())
    except PolicyError as error:
        raise value.fault(str(error)) from None


def _binding(spec: Value) -> Binding:
    table = spec.table(("policyName", "matchResources", "actions"), ("policyName", "actions"))
    resources = ("zones", "boundaries", "hosts")
    matched = table["matchResources"].table(resources) if "matchResources" in table else {}
    actions = frozenset(value.choice(Action) for value in table["actions"].items())
    if not actions:
        raise table["actions"].fault("expected at least one of Deny, Warn, Audit")
    return Binding(
        policy=table["policyName"].text(),
        zones=_names(matched.get("zones")),
        boundaries=frozenset(
            value.choice(Boundary).value
            for value in (matched["boundaries"].items() if "boundaries" in matched else [])
        ),
        hosts=_names(matched.get("hosts")),
        actions=actions,
    )


def _names(value: Value | None) -> frozenset[str]:
    return frozenset(item.text() for item in value.items()) if value else frozenset()
