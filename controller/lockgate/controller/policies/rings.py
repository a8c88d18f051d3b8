"""Rings of hosts, and when a policy that is on its way through them goes on or stops. Pure.

Rules enforced here:

1. A host belongs to the first ring that names it, and to the last one, ``all``, when none does.
2. A policy goes on when it has been watched in its ring for the ring's bake time, and only then
   by itself; it stops when denials have jumped, before it goes on.
3. Denials have jumped when, of at least so many verdicts, the share that is not ALLOW is higher
   than under the policy before it by more than the installation tolerates. Without verdicts of
   the policy before it there is nothing to compare, and nothing jumps.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto

#: The ring of every host that no other ring names.
LAST = "all"
#: Rings that an installation may have beside the last one.
MOST_RINGS = 16

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class Ring:
    """Hosts that get a new policy together; keys of a ``[[rings]]`` table.

    ``hosts`` are names or patterns with ``*`` and ``?``. ``bake_minutes``: how long a policy is
    watched here before it goes on by itself; 0: it goes on only when a person says so.
    """

    name: str
    hosts: tuple[str, ...] = ()
    bake_minutes: float = 0.0

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or len(self.name) > _LONGEST_NAME or self.name == LAST:
            raise ValueError(f'ring {self.name!r}: expected a name such as "canary", not "{LAST}"')
        if not self.hosts:
            raise ValueError(f'ring {self.name!r}: "hosts" names no host')
        if self.bake_minutes < 0:
            raise ValueError(f'ring {self.name!r}: "bake_minutes": expected 0 or more')

    @property
    def bake(self) -> timedelta | None:
        """How long a policy is watched here; None: until a person says more."""
        return timedelta(minutes=self.bake_minutes) if self.bake_minutes else None


@dataclass(frozen=True, slots=True)
class Counts:
    """Verdicts of one policy, and how many of them were not ALLOW."""

    verdicts: int = 0
    denials: int = 0

    @property
    def share(self) -> float:
        """The share of denials; 0 without verdicts."""
        return self.denials / self.verdicts if self.verdicts else 0.0


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How many verdicts are needed to judge, and how much the share of denials may grow."""

    verdicts: int = 20
    growth: float = 0.2


class Judgement(Enum):
    """What becomes of a policy in its ring now."""

    WAIT = auto()
    GO_ON = auto()
    STOP = auto()


def require_rings(rings: Sequence[Ring]) -> None:
    """Refuse settings with too many rings, or two of one name."""
    names = [ring.name for ring in rings]
    if len(set(names)) != len(names):
        raise ValueError('"rings": two rings have one name')
    if len(names) > MOST_RINGS:
        raise ValueError(f'"rings": more than {MOST_RINGS} rings')


def ring_of(host: str, rings: Sequence[Ring]) -> str:
    """The name of the ring that a host belongs to."""
    for ring in rings:
        if any(fnmatch.fnmatchcase(host, pattern) for pattern in ring.hosts):
            return ring.name
    return LAST


def following(reached: Sequence[str], rings: Sequence[Ring]) -> str:
    """The ring after those that were reached; the last one comes after all others."""
    return next((ring.name for ring in rings if ring.name not in reached), LAST)


def has_jumped(new: Counts, old: Counts, tolerance: Tolerance) -> bool:
    """Whether ``new`` denies so much more than ``old`` that it should stop."""
    if new.verdicts < tolerance.verdicts or not old.verdicts:
        return False
    return new.share - old.share > tolerance.growth


def judge(
    new: Counts, old: Counts, tolerance: Tolerance, bake: timedelta | None, watched: timedelta
) -> Judgement:
    """What to do with a policy that was ``watched`` for so long in its ring."""
    if has_jumped(new, old, tolerance):
        return Judgement.STOP
    if bake is not None and watched >= bake:
        return Judgement.GO_ON
    return Judgement.WAIT
