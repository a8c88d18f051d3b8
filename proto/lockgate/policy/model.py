"""Policies as they stand in memory: checked, immutable, without any file behind them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, Protocol

from lockgate.scan.names import escape_name
from lockgate.wire.terms import ReleaseTerms
from lockgate.wire.transfer import HoldReason, Transfer, Verdict

#: Characters of what a complaint quotes, and of a word that is compared with others.
_LONGEST_TOLD, _LONGEST_NAME = 300, 100


@dataclass(frozen=True, slots=True)
class Fault:
    """One mistake in a policy: where, what, and the known name nearest to the one given.

    ``line`` and ``column`` count from 1; 0 is a file as a whole. Its text is one line, whatever
    stands in the file.
    """

    file: str
    line: int = 0
    column: int = 0
    key: str = ""
    message: str = ""
    nearest: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        key = f'"{_cut(self.key)}": ' if self.key else ""
        hint = f'; the nearest known name is "{_cut(self.nearest)}"' if self.nearest else ""
        told = f"{place}: {key}{_cut(self.message)}{hint}"
        return escape_name(told.encode("utf-8", "backslashreplace"))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_TOLD else f"{text[:_LONGEST_TOLD]}..."


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that is most like ``name``; empty when none is known, or it is no name."""
    if len(name) > _LONGEST_NAME:
        return ""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.0)
    return close[0] if close else ""


class PolicyError(Exception):
    """A policy cannot be loaded; the text has a line for every fault."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = faults


class EvaluationError(Exception):
    """An expression has no value for this transfer, or needed too many steps."""


class OverBudgetError(EvaluationError):
    """The expressions evaluated so far took all the time that a decision may take."""


class Expression(Protocol):
    """A checked expression with a boolean value."""

    @property
    def text(self) -> str:
        """As it is written."""
        ...

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
    release: ReleaseTerms | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """What must be true for a policy to apply."""

    name: str
    expression: Expression = field(repr=False)


@dataclass(frozen=True, slots=True)
class TransferPolicy:
    """Rules that are evaluated together; all conditions must hold for them to apply."""

    name: str
    failure_policy: FailurePolicy
    conditions: tuple[Condition, ...]
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Binding:
    """Where a policy applies, and how. An empty list of names matches every name."""

    name: str
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
