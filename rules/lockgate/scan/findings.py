"""From evidence to findings: one finding per key, with all its places.

Rules enforced here:

1. Evidence with the same fingerprint is one key; its proofs are joined in the order of the
   closed list, its places sorted and unique.
2. The class is what the registry says first (``protected``), then the list of published test
   keys (``test``), then what the evidence says; of two, the graver one.
3. A span is told once, as the first that saw it names it; a span inside a stored member as a
   place of the member; a span inside another span of the same key not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from lockgate.scan.evidence import Evidence
from lockgate.scan.report import Finding, FindingClass, FindingKind, Occurrence, Proof
from lockgate.scan.walk import Place, Stored

_Span = tuple[str | None, int, int]
_KINDS = tuple(FindingKind)
_PROOFS = tuple(Proof)
#: Gravest first.
_CLASSES = (
    FindingClass.PRIVATE,
    FindingClass.CREDENTIAL,
    FindingClass.SESSION,
    FindingClass.RNG,
    FindingClass.ENCRYPTED,
)


@dataclass(frozen=True, slots=True)
class Sighting:
    """Evidence and the member in which it was seen."""

    evidence: Evidence
    place: Place

    @property
    def occurrence(self) -> Occurrence:
        """The place, as a report shows it."""
        seen = self.evidence
        memory = self.place.memory
        address = None if memory is None else memory.address_of(seen.offset)
        offset = self.place.offset_of(seen.offset)
        return Occurrence(seen.format, offset, seen.length, self.place.member, address)


def to_findings(
    sightings: Iterable[Sighting],
    stored: Iterable[Stored],
    name_of: Callable[[str], str | None],
    is_published: Callable[[str], bool],
) -> tuple[Finding, ...]:
    """All findings, in the order of their first places."""
    by_key: dict[str, list[Sighting]] = {}
    for sighting in sightings:
        by_key.setdefault(sighting.evidence.fingerprint, []).append(sighting)
    members = {s.member: s for s in stored}
    findings = [
        _finding(seen, members, name_of(key), published=is_published(key))
        for key, seen in by_key.items()
    ]
    return tuple(sorted(findings, key=lambda f: (*_order(f.occurrences[0]), f.fingerprint)))


def _finding(
    seen: list[Sighting], members: Mapping[str, Stored], name: str | None, *, published: bool
) -> Finding:
    evidence = min((s.evidence for s in seen), key=_gravity)
    proofs = {proof for s in seen for proof in s.evidence.proof}
    class_ = evidence.class_
    if name is not None:
        proofs.add(Proof.REGISTERED)
        class_ = FindingClass.PROTECTED
    elif published:
        class_ = FindingClass.TEST
    places: dict[_Span, Occurrence] = {}
    for place in (s.occurrence for s in seen):
        places.setdefault((place.member, place.offset, place.length), place)
    copies = {copy for place in places.values() for copy in _in_containers(place, members)}
    ordered = sorted((places[span] for span in places.keys() - copies), key=_order)
    return Finding(
        kind=evidence.kind,
        class_=class_,
        algorithm=evidence.algorithm,
        bits=evidence.bits,
        fingerprint=evidence.fingerprint,
        proof=tuple(sorted(proofs, key=_PROOFS.index)),
        occurrences=tuple(_outermost(ordered)),
        protected_name=name,
    )


def _gravity(evidence: Evidence) -> tuple[int, int]:
    return _CLASSES.index(evidence.class_), _KINDS.index(evidence.kind)


def _in_containers(place: Occurrence, members: Mapping[str, Stored]) -> Iterable[_Span]:
    """Where the same bytes stand in the containers that store the member."""
    member, offset = place.member, place.offset
    while member is not None and (stored := members.get(member)) is not None:
        member, offset = stored.container, offset + stored.offset
        yield member, offset, place.length


def _outermost(ordered: Iterable[Occurrence]) -> Iterable[Occurrence]:
    """Those of the places, in order, that lie inside no other: the structure, not its parts."""
    last: Occurrence | None = None
    for place in ordered:
        if last is None or last.member != place.member or _stop(place) > _stop(last):
            yield place
            last = place


def _stop(place: Occurrence) -> int:
    return place.offset + place.length


def _order(place: Occurrence) -> tuple[str, int, int, str]:
    return place.member or "", place.offset, -place.length, place.format
