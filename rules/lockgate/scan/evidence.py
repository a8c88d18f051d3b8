"""From a candidate to evidence: the types that detectors, searches and provers exchange.

Rules enforced here:

1. A prover has exactly three ends, plus two questions: Proven, Refuted, Undecided, and
   NeedsPublic ("proven if these public bytes stand elsewhere in the same file"), Unfolded
   ("text that stands for these bytes: look at them").
2. Evidence holds no private byte. The candidate does, and it never leaves the worker.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from lockgate.scan.report import FindingClass, FindingKind, Proof


@dataclass(frozen=True, slots=True)
class Candidate:
    """Bytes that a rule or search points at.

    ``window`` is the part of the member around the match; it starts at ``window_offset`` in
    the member, and the match starts at ``match`` inside the window. ``starts_member`` and
    ``ends_member`` tell whether the window touches the member's first or last byte, so that
    "the whole member is this key" can be told from a fragment of memory.
    """

    rule: str
    window: bytes = field(repr=False)
    window_offset: int
    match: int
    starts_member: bool
    ends_member: bool


@dataclass(frozen=True, slots=True)
class Evidence:
    """One proven key, without its secret. ``offset``/``length`` are bytes in the member."""

    format: str
    kind: FindingKind
    class_: FindingClass
    algorithm: str
    bits: int
    fingerprint: str
    offset: int
    length: int
    proof: tuple[Proof, ...]


@dataclass(frozen=True, slots=True)
class Proven:
    """The candidate is a key; one candidate (a bundle) may hold several."""

    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Refuted:
    """The candidate is certainly not a key. ``why`` is for tests and people."""

    why: str


@dataclass(frozen=True, slots=True)
class Undecided:
    """It could be a key and could not be settled: becomes a gap ``undecided``."""

    why: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class NeedsPublic:
    """Proven if one of ``publics`` stands anywhere else in the same top-level file or registry.

    Used where a format's prefix followed by any bytes parses as a key (RFC 8410). If the
    public half is nowhere, the candidate ends as ``otherwise``.
    """

    evidence: Evidence
    publics: tuple[bytes, ...]
    otherwise: Refuted | Undecided


@dataclass(frozen=True, slots=True, eq=False)
class Unfolded:
    """The candidate is text that stands for bytes; they are looked at as those of a member are.

    ``at[i]`` is where in the member the text of byte ``i`` begins; ``at`` has one entry more
    than ``data``: where the text ends. Bytes without places of their own (unpacked ones) have
    just its start and its end. Only what begins in the first ``focus`` bytes belongs to this
    candidate; what stands behind has anchors of its own.
    """

    encoding: str
    data: bytes = field(repr=False)
    at: npt.NDArray[np.int64] = field(repr=False)
    focus: int

    def span(self, offset: int, length: int) -> tuple[int, int]:
        """Offset and length in the member of the text of some of the bytes."""
        if len(self.at) <= len(self.data):
            return int(self.at[0]), int(self.at[-1] - self.at[0])
        first, last = (min(max(0, i), len(self.data)) for i in (offset, offset + length))
        return int(self.at[first]), int(self.at[last] - self.at[first])


Judgement = Proven | Refuted | Undecided | NeedsPublic | Unfolded


class Format(Protocol):
    """One key format: a rule that points at candidates and a prover that settles them."""

    @property
    def name(self) -> str:
        """The format's name in reports, e.g. ``pkcs8``."""
        ...

    @property
    def rule_source(self) -> str:
        """The YARA rules of this format; every rule name starts with the format's name."""
        ...

    @property
    def reach(self) -> tuple[int, int]:
        """Bytes the prover needs before and after the start of a match."""
        ...

    def prove(self, candidate: Candidate) -> Judgement:
        """Settle one candidate; never raises on hostile input."""
        ...
