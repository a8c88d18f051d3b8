"""What text stands for: decoded bytes are looked at by the same rules and provers as a member.

Rules enforced here:

1. Encodings may be inside one another to a limit; what lies deeper is undecided, not clean.
2. Every judgement is told at the place of the text, not of the bytes, and names the encoding.
3. Work is bounded by the candidate: only matches at the first bytes it points at are settled.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from lockgate.scan.evidence import (
    Candidate,
    Evidence,
    Format,
    Judgement,
    NeedsPublic,
    Proven,
    Refuted,
    Undecided,
    Unfolded,
)
from lockgate.scan.rules import Match, RuleError, RulePack

#: Decoded bytes behind the focus that a rule may need to match.
_LOOKAHEAD = 1024


@dataclass(frozen=True, slots=True)
class Unfolder:
    """Settles candidates, and what they unfold to."""

    pack: RulePack
    formats: Mapping[str, Format]
    seconds: int
    depth: int

    def settle(self, form: Format, candidate: Candidate, depth: int = 0) -> Iterator[Judgement]:
        """The judgements on one candidate, none of them :class:`Unfolded`."""
        judgement = form.prove(candidate)
        if not isinstance(judgement, Unfolded):
            yield judgement
        elif depth >= self.depth:
            deep = Undecided("text encoded more often than the limit", 0, len(judgement.data))
            yield _undecided_outside(deep, judgement)
        else:
            for inner in self._look_inside(judgement, depth + 1):
                yield _told_outside(inner, judgement)

    def _look_inside(self, unfolded: Unfolded, depth: int) -> Iterator[Judgement]:
        data, focus = unfolded.data, unfolded.focus
        shown = memoryview(data)[: focus + _LOOKAHEAD]
        try:
            for match in self.pack.matches(shown, self.seconds):
                form = self.formats.get(match.namespace)
                if form is not None and match.start < focus:
                    yield from self.settle(form, _candidate(match, form, data), depth)
        except RuleError as error:
            yield Undecided(str(error), 0, len(data))


def _candidate(match: Match, form: Format, data: bytes) -> Candidate:
    """A match in decoded bytes, which are all there is."""
    before, after = form.reach
    first, last = max(0, match.start - before), min(len(data), match.start + after)
    return Candidate(
        rule=match.rule,
        window=data[first:last],
        window_offset=first,
        match=match.start - first,
        starts_member=first == 0,
        ends_member=last == len(data),
    )


def _told_outside(judgement: Judgement, unfolded: Unfolded) -> Judgement:
    """The judgement on decoded bytes as one on the text."""
    match judgement:
        case Proven(evidence):
            return Proven(tuple(_evidence_outside(e, unfolded) for e in evidence))
        case Undecided():
            return _undecided_outside(judgement, unfolded)
        case NeedsPublic(evidence, publics, otherwise):
            if isinstance(otherwise, Undecided):
                otherwise = _undecided_outside(otherwise, unfolded)
            return NeedsPublic(_evidence_outside(evidence, unfolded), publics, otherwise)
        case Refuted() | Unfolded():
            return judgement


def _undecided_outside(undecided: Undecided, unfolded: Unfolded) -> Undecided:
    return Undecided(undecided.why, *unfolded.span(undecided.offset, undecided.length))


def _evidence_outside(evidence: Evidence, unfolded: Unfolded) -> Evidence:
    offset, length = unfolded.span(evidence.offset, evidence.length)
    name = f"{evidence.format}+{unfolded.encoding}"
    return replace(evidence, format=name, offset=offset, length=length)
