"""What the folders of ``lockgate.formats`` have in common: a rule file and a prover.

Rules enforced here:

1. A format is data: its name, how far its prover must see, and two functions' worth of code.
2. Judgements are made relative to the first byte of a key and moved to their place in the
   member afterwards, so that a prover is the same inside armour and outside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import resources
from itertools import pairwise

from lockgate.scan.evidence import (
    Candidate,
    Evidence,
    Judgement,
    NeedsPublic,
    Proven,
    Refuted,
    Undecided,
    Unfolded,
)
from lockgate.scan.report import FindingClass, FindingKind, Proof

#: The structure ends before any secret byte, so that nothing is given away.
CUT_BEFORE_SECRET = Refuted("cut before the private part")

#: A complete structure whose numbers have nothing to do with one another.
DISAGREEING = Refuted("the numbers do not agree")

_TAB, _DELETE = 0x09, 0x7F

#: The longest key structure any prover reads, in bytes.
REACH_AFTER = 64 << 10


@dataclass(frozen=True, slots=True)
class RuleFormat:
    """A :class:`lockgate.scan.evidence.Format` whose rule stands in its folder's rule.yar."""

    name: str
    reach: tuple[int, int]
    settle: Callable[[Candidate], Judgement]

    @property
    def rule_source(self) -> str:
        """The text of ``formats/<name>/rule.yar``."""
        folder = resources.files(f"lockgate.formats.{self.name}")
        return (folder / "rule.yar").read_text(encoding="ascii")

    def prove(self, candidate: Candidate) -> Judgement:
        """Settle one candidate."""
        return self.settle(candidate)


def is_whole_member(candidate: Candidate, start: int, length: int) -> bool:
    """Whether the structure at ``start`` in the window is all there is in the member.

    White space after it is allowed; a key alone in a file may end in a line break.
    """
    return (
        candidate.starts_member
        and candidate.ends_member
        and start == 0
        and not candidate.window[start + length :].strip()
    )


def private_key(
    name: str, algorithm: str, bits: int, fingerprint: str, length: int, proof: tuple[Proof, ...]
) -> Evidence:
    """Evidence of a private key that begins at offset 0."""
    return Evidence(
        format=name,
        kind=FindingKind.PRIVATE_KEY,
        class_=FindingClass.PRIVATE,
        algorithm=algorithm,
        bits=bits,
        fingerprint=fingerprint,
        offset=0,
        length=length,
        proof=proof,
    )


def sealed_key(name: str, algorithm: str, bits: int, fingerprint: str, length: int) -> Evidence:
    """Evidence of a sealed key that begins at offset 0; ``bits`` 0 when they are not shown."""
    return Evidence(
        format=name,
        kind=FindingKind.ENCRYPTED_KEY,
        class_=FindingClass.ENCRYPTED,
        algorithm=algorithm,
        bits=bits,
        fingerprint=fingerprint,
        offset=0,
        length=length,
        proof=(Proof.SEALED_STRUCTURE,),
    )


def map_evidence(judgement: Judgement, change: Callable[[Evidence], Evidence]) -> Judgement:
    """The judgement with every evidence changed."""
    match judgement:
        case Proven():
            return Proven(tuple(change(e) for e in judgement.evidence))
        case NeedsPublic():
            return replace(judgement, evidence=change(judgement.evidence))
        case Refuted() | Undecided() | Unfolded():
            return judgement


def moved(judgement: Judgement, by: int) -> Judgement:
    """The judgement with every offset moved by ``by`` bytes."""
    match judgement:
        case Undecided():
            return replace(judgement, offset=judgement.offset + by)
        case NeedsPublic(otherwise=Undecided() as otherwise):
            judgement = replace(
                judgement, otherwise=replace(otherwise, offset=otherwise.offset + by)
            )
    return map_evidence(judgement, lambda e: replace(e, offset=e.offset + by))


def placed(judgement: Judgement, name: str, offset: int, length: int) -> Judgement:
    """The judgement as one of format ``name`` that covers exactly this span."""
    match judgement:
        case Undecided():
            return replace(judgement, offset=offset, length=length)
        case NeedsPublic(otherwise=Undecided() as otherwise):
            settled = replace(otherwise, offset=offset, length=length)
            judgement = replace(judgement, otherwise=settled)
    return map_evidence(judgement, lambda e: replace(e, format=name, offset=offset, length=length))


def looks_random(secret: bytes) -> bool:
    """Whether bytes could be drawn at random: many values, no text, no counting sequence.

    n random bytes hold ``256 * (1 - (255/256)**n)`` distinct values on average; less than
    two thirds of that happens about once in 10^12 for 32 bytes.
    """
    expected = 256 * (1 - (255 / 256) ** len(secret))
    steps = {(b - a) % 256 for a, b in pairwise(secret)}
    is_text = all(_TAB <= byte < _DELETE for byte in secret)
    return len(set(secret)) >= expected * 0.65 and len(steps) > 1 and not is_text
