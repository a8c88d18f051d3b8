"""Policies as they stand in memory: checked, immutable, without any file behind them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, Protocol

from lockgate.wire.transfer import HoldReason, Transfer, Verdict


class PolicyError(Exception):
    """A policy cannot be loaded; the text names file, line and what is wrong."""


class EvaluationError(Exception):
    """An expression has no value for this transfer, or ran over its budget."""


class Expression(Protocol):
    """A checked expression with a boolean value."""

    @property
    def reads_opener(self) -> bool:
        """Whether its value may depend on who opens the file; True when in doubt."""
        ...

    def evaluate(self, subject: Any) -> bool:
        """Its value; raises EvaluationError."""
        ...


class FailurePolicy(StrEnum):
    """What an expression that cannot be evaluated means."""

    FAIL = "Fail"
    IGNORE = "Ignore"


class Action(StrEnum):
    """What a binding makes of a policy's verdicts."""

    DENY = "Deny"
    WARN = "Warn"
    AUDIT = "Audit"


@dataclass(frozen=True, slots=True)
class Wait:
    """Whom a held transfer waits for, and how long at most."""

    role: str
    within: timedelta


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: what it says of a transfer when ``expression`` is true."""

    name: str
    expression: Expression = field(repr=False)
    verdict: Verdict
    message: str = ""
    warning: str = ""
    page: bool = False
    hold_reason: HoldReason = HoldReason.POLICY
    wait: Wait | None = None
    cache: timedelta | None = None


@dataclass(frozen=True, slots=True)
class TransferPolicy:
    """Rules that are evaluated together; all conditions must hold for them to apply."""

    name: str
    failure_policy: FailurePolicy
    conditions: tuple[Expression, ...]
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Binding:
    """Where a policy applies, and how. An empty list of names matches every name."""

    policy: str
    zones: frozenset[str]
    boundaries: frozenset[str]
    hosts: frozenset[str]
    actions: frozenset[Action]

    def matches(self, transfer: Transfer) -> bool:
        """Whether the transfer is one that this binding speaks of."""
        return (
            (not self.zones or transfer.zone.name in self.zones)
            and (not self.boundaries or transfer.boundary.value in self.boundaries)
            and (not self.hosts or transfer.host in self.hosts)
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """All policies and bindings in force; ``digest`` is the SHA-256 of their content, hex."""

    policies: tuple[TransferPolicy, ...]
    bindings: tuple[Binding, ...]
    digest: str
