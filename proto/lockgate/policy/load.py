"""Loading policies from YAML documents of the kinds TransferPolicy and TransferPolicyBinding.

Rules enforced here:

1. The shape is that of Kubernetes ValidatingAdmissionPolicy and its binding; docs/policy.md
   describes every field.
2. Names are unique, every binding names a policy that is there, and every policy is bound:
   a policy that could never apply is a mistake.
3. The digest is the SHA-256 of the content, not of its spelling: comments and order of
   documents do not change it.
4. Documents of the kind TransferPolicyTest may stand beside the policy and are no part of it
   (:mod:`lockgate.policy.testing`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from lockgate.policy.document import MOST_FAULTS, Source, Value, documents, read
from lockgate.policy.model import (
    Action,
    Binding,
    Condition,
    Expression,
    FailurePolicy,
    Fault,
    Policy,
    PolicyError,
    Rule,
    TransferPolicy,
    Wait,
    nearest,
)
from lockgate.policy.plain import content_of
from lockgate.policy.releasing import release_terms
from lockgate.wire.transfer import Boundary, HoldReason, Verdict

API_VERSION = "lockgate.dev/v1"
TEST_KIND = "TransferPolicyTest"

_POLICY_KIND = "TransferPolicy"
_BINDING_KIND = "TransferPolicyBinding"
_KINDS = (_POLICY_KIND, _BINDING_KIND, TEST_KIND)


@dataclass(slots=True)
class _Loaded:
    """What has been read so far. ``places``: where each policy is named, for complaints."""

    policies: dict[str, TransferPolicy] = field(default_factory=dict)
    bindings: dict[str, Binding] = field(default_factory=dict)
    contents: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    places: dict[str, Value] = field(default_factory=dict)


def load(sources: Sequence[Path]) -> Policy:
    """The policy of all documents in ``sources``, checked.

    Raises:
        PolicyError: anything at all is wrong; nothing of the policy is used then.
    """
    faults: list[Fault] = []
    texts: list[Source] = []
    for source in sources:
        try:
            texts.append(read(source))
        except PolicyError as error:
            faults += error.faults
    return load_texts(texts, faults)


def load_texts(sources: Sequence[Source], faults: Sequence[Fault] = ()) -> Policy:
    """The policy of texts that were read already; ``faults`` are those known of it before.

    Raises:
        PolicyError: every fault of all of them.
    """
    loaded = _Loaded(faults=list(faults))
    for source in sources:
        try:
            for document in documents(source):
                _load_document(document, loaded)
                if len(loaded.faults) >= MOST_FAULTS:
                    break
        except PolicyError as error:
            loaded.faults += error.faults
    if not loaded.faults:
        _check_names(loaded, sources)
    if loaded.faults:
        raise PolicyError(*loaded.faults)
    digest = hashlib.sha256("\n".join(sorted(loaded.contents)).encode()).hexdigest()
    return Policy(tuple(loaded.policies.values()), tuple(loaded.bindings.values()), digest)


@cache
def default_policy() -> Policy:
    """The policy that is shipped: ``default.yaml`` beside this module."""
    return load([DEFAULT])


DEFAULT = Path(__file__).with_name("default.yaml")


def frame_of(document: Value) -> dict[str, Any]:
    """What every document has: its ``kind``, its name (``metadata``), and its unread ``spec``.

    Raises:
        PolicyError: it is no document of this language.
    """
    readers = {"apiVersion": _api_version, "kind": _kind, "metadata": _metadata, "spec": _as_it_is}
    return document.fields(readers, readers)


def _api_version(value: Value) -> str:
    if value.text() != API_VERSION:
        raise value.fault(f"expected {API_VERSION}")
    return API_VERSION


def _kind(value: Value) -> str:
    if value.text() not in _KINDS:
        expected = f"expected {_POLICY_KIND}, {_BINDING_KIND} or {TEST_KIND}"
        raise value.fault(expected, nearest(value.text(), _KINDS))
    return value.text()


def _metadata(value: Value) -> Value:
    name: Value = value.fields({"name": _as_it_is}, ("name",))["name"]
    name.text()
    return name


def _as_it_is(value: Value) -> Value:
    return value


def _load_document(document: Value, loaded: _Loaded) -> None:
    try:
        frame = frame_of(document)
        named, spec = frame["metadata"], frame["spec"]
        if frame["kind"] == _POLICY_KIND:
            _add(loaded.policies, named, frame["kind"])[named.text()] = _policy(named.text(), spec)
            loaded.places[named.text()] = named
        elif frame["kind"] == _BINDING_KIND:
            binding = _binding(named.text(), spec)
            _add(loaded.bindings, named, frame["kind"])[named.text()] = binding
            loaded.places.setdefault(binding.policy, named)
        else:
            return
    except PolicyError as error:
        loaded.faults += error.faults
        return
    content = content_of(document.node)
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    loaded.contents.append(text)


def _add(known: dict[str, Any], name: Value, kind: str) -> dict[str, Any]:
    if name.text() in known:
        raise name.fault(f"another {kind} has this name")
    return known


def _check_names(loaded: _Loaded, sources: Sequence[Source]) -> None:
    """Every policy is bound, and every bound policy is there."""
    bound = {binding.policy for binding in loaded.bindings.values()}
    for name in sorted(bound - loaded.policies.keys()):
        why = f'policy "{name}": a binding names it, but it is not there'
        near = nearest(name, loaded.policies)
        loaded.faults += loaded.places[name].fault(why, near).faults
    for name in sorted(loaded.policies.keys() - bound):
        why = f'policy "{name}": no binding names it'
        loaded.faults += loaded.places[name].fault(why).faults
    if not loaded.policies:
        names = ", ".join(source.name for source in sources)
        loaded.faults.append(Fault(names, message="there is no policy in it"))


def _policy(name: str, spec: Value) -> TransferPolicy:
    readers = {
        "failurePolicy": lambda value: value.choice(FailurePolicy),
        "matchConditions": lambda value: value.each(_condition),
        "rules": _rules,
    }
    read = spec.fields(readers, ("rules",))
    return TransferPolicy(
        name=name,
        failure_policy=read.get("failurePolicy", FailurePolicy.FAIL),
        conditions=read.get("matchConditions", ()),
        rules=read["rules"],
    )


def _condition(value: Value) -> Condition:
    readers = {"name": Value.text, "expression": _expression}
    return Condition(**value.fields(readers, readers))


def _rules(value: Value) -> tuple[Rule, ...]:
    rules = value.each(_rule)
    if not rules or len({rule.name for rule in rules}) != len(rules):
        raise value.fault("expected at least one rule, each with its own name")
    return rules


def _rule(value: Value) -> Rule:
    read = value.fields(_RULE, ("name", "expression", "verdict"))
    for key, needed in (("cache", Verdict.ALLOW), ("holdReason", Verdict.HOLD)):
        if key in read and read["verdict"] is not needed:
            raise value.fault(f'"{key}": only a rule with verdict {needed} has it')
    if "release" in read and read["verdict"] is Verdict.ALLOW:
        raise value.fault('"release": a rule with verdict ALLOW has nothing to release')
    return Rule(
        name=read["name"],
        expression=read["expression"],
        verdict=read["verdict"],
        message=read.get("message", ""),
        warning=read.get("warning", ""),
        page=read.get("page", False),
        hold_reason=read.get("holdReason", HoldReason.POLICY),
        wait=read.get("wait"),
        cache=read.get("cache"),
        release=read.get("release"),
    )


def _hold_reason(value: Value) -> HoldReason:
    reason = value.choice(HoldReason)
    if reason not in {HoldReason.POLICY, HoldReason.GAP}:
        raise value.fault("a rule holds for policy or for gap")
    return reason


def _wait(value: Value) -> Wait:
    read = value.fields({"for": Value.text, "within": Value.duration}, ("for", "within"))
    return Wait(read["for"], read["within"])


def _cache(value: Value) -> timedelta:
    span: timedelta = value.fields({"for": Value.duration}, ("for",))["for"]
    return span


def _expression(value: Value) -> Expression:
    from lockgate.policy.expression import ExpressionError, compile_expression

    try:
        return compile_expression(value.text())
    except ExpressionError as error:
        faults = (value.fault(c.message, c.nearest, at=c.offset).faults for c in error.complaints)
        raise PolicyError(*(fault for found in faults for fault in found)) from None


def _binding(name: str, spec: Value) -> Binding:
    readers = {"policyName": Value.text, "matchResources": _resources, "actions": _actions}
    read = spec.fields(readers, ("policyName", "actions"))
    matched = read.get("matchResources", {})
    return Binding(
        name=name,
        policy=read["policyName"],
        zones=matched.get("zones", frozenset()),
        boundaries=matched.get("boundaries", frozenset()),
        hosts=matched.get("hosts", frozenset()),
        actions=read["actions"],
    )


def _resources(value: Value) -> dict[str, frozenset[str]]:
    readers = {"zones": _names, "boundaries": _boundaries, "hosts": _names}
    return value.fields(readers)


def _actions(value: Value) -> frozenset[Action]:
    actions = frozenset(value.each(lambda item: item.choice(Action)))
    if not actions:
        raise value.fault("expected at least one of Deny, Warn, Audit")
    return actions


def _boundaries(value: Value) -> frozenset[str]:
    return frozenset(boundary.value for boundary in value.each(lambda v: v.choice(Boundary)))


def _names(value: Value) -> frozenset[str]:
    return frozenset(value.each(Value.text))


_RULE = {
    "name": Value.text,
    "expression": _expression,
    "verdict": lambda value: value.choice(Verdict),
    "message": Value.text,
    "warning": Value.text,
    "page": Value.truth,
    "holdReason": _hold_reason,
    "wait": _wait,
    "cache": _cache,
    "release": release_terms,
}
