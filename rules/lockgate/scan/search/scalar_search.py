"""Elliptic-curve secrets without a marker: gathered, derived, and looked up.

The first walk gathers windows that may be secrets and marks the words that may be public
halves; between the walks every window is derived and its public half looked up among the known
points and the marked words; the second walk makes sure, and tells all places.

Rules enforced here:

1. A key is proven when the public half that its secret derives is registered, was announced by
   a structure, or stands in the file, every byte of it. Registered keys cost nothing each.
2. Windows are derived by likelihood within a budget and a time; what is left is a gap.
3. A pair whose public half was seen as a handshake's key share only is ``session``; without
   such evidence it is ``private``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from lockgate.scan.evidence import Evidence
from lockgate.scan.findings import Sighting
from lockgate.scan.gaps import Gaps
from lockgate.scan.limits import OutOfTimeError, require_time
from lockgate.scan.report import FindingClass, FindingKind, Gap, GapReason, Proof
from lockgate.scan.search import ec_keys, secret_digits, secret_windows, seeds, told_secrets
from lockgate.scan.search.candidates import Candidates
from lockgate.scan.search.derived import Derived, Identity, Pair
from lockgate.scan.search.search import BlockView, Context
from lockgate.scan.search.secret_windows import (
    LIMBS_256,
    LIMBS_384,
    LIMBS_448,
    LIMBS_521,
    Windows,
    WordRuns,
)
from lockgate.scan.search.word_table import WordTable
from lockgate.scan.walk import Place

#: Bits of the table of words seen: 32 MiB.
_SEEN_LOG = 28
#: Bits of the table of words that the second walk looks for.
_WANTED_LOG = 18
#: Runs of at most so many words are looked at for public halves.
_LONGEST_PUBLIC_RUN = 64
_WORD = 8
_BYTES = {32: LIMBS_256, 48: LIMBS_384, 66: LIMBS_521}


@dataclass(frozen=True, slots=True)
class _Seat:
    """Where a secret stands."""

    place: Place
    offset: int
    length: int


@dataclass(slots=True)
class _Suspect:
    """A pair whose public half may have been seen; ``first`` is where its secret was read."""

    pair: Pair
    first: _Seat
    is_proven: bool = False
    seats: list[_Seat] = field(default_factory=list)


class ScalarSearch:
    """Scalars and seeds over all members of one file."""

    names: tuple[str, ...] = (ec_keys.FORMAT, seeds.SEED_FORMAT, seeds.SCALAR_FORMAT)
    reads_text = False

    def __init__(self, context: Context) -> None:
        limits = context.limits
        self._context = context
        self._points = context.points
        self._candidates = {
            limbs: Candidates(limbs, most)
            for limbs, most in (
                (LIMBS_256, limits.seeds), (LIMBS_384, limits.long_seeds),
                (LIMBS_448, limits.slow_seeds), (LIMBS_521, limits.long_seeds),
            )
        }  # fmt: skip
        self._seen = WordTable(_SEEN_LOG)
        self._suspects: list[_Suspect] = []
        self._wanted = WordTable(_WANTED_LOG)
        self._by_word: dict[bytes, list[tuple[bytes, _Suspect, bool]]] = {}
        self.gaps = Gaps()

    def survey(self, view: BlockView) -> None:
        """Gather the windows of one block, and mark its words."""
        if next(view.block.spans(), None) is None:
            return
        for runs in secret_windows.runs_of(view):
            self._mark(runs)
            self._gather(runs)
        for size, told in told_secrets.told_windows(view).items():
            self._seen.mark(told.rows)
            self._seen.mark(secret_windows.reversed_bytes(told.rows))
            self._candidates[_BYTES[size]].add(told, view.place)

    def prepare(self) -> bool:
        """Derive everything; returns whether a pair is left to be made sure of."""
        self._points.add(self._context.registry.public_values())
        self._mark_known()
        deadline = time.monotonic() + self._context.limits.prove_seconds
        try:
            for limbs, candidates in self._candidates.items():
                self._derive(limbs, candidates, deadline)
        except OutOfTimeError:
            self._gap("no time left to derive public keys")
        for suspect in self._suspects:
            self._want(suspect)
        return bool(self._suspects)

    def fetch(self, view: BlockView) -> None:
        """Look for both halves of the suspected pairs."""
        data = view.block.data
        for start, stop in view.block.spans() if self._suspects else ():
            for at in self._wanted.pairs(data, max(view.block.start, start - _WORD), stop):
                for content, suspect, is_secret in self._by_word.get(data[at : at + _WORD], ()):
                    if not data.startswith(content, at):
                        continue
                    if is_secret:
                        self._seat(suspect, view, at, len(content))
                    else:
                        suspect.is_proven = True

    def conclude(self, deadline: float) -> Iterator[Sighting]:
        """The pairs of which both halves were seen."""
        for suspect in self._suspects:
            if suspect.is_proven:
                require_time(deadline)
                yield from self._sightings(suspect)

    def _mark(self, runs: WordRuns) -> None:
        short = runs.lengths <= (1 << 40 if self._context.deep else _LONGEST_PUBLIC_RUN)
        starts, lengths = runs.starts[short], runs.lengths[short]
        # With the word before: the first int of a 521-bit number is small.
        before = np.minimum(starts, 1)
        self._seen.mark_runs(runs.words, starts - before, lengths + before)
        encoded = secret_windows.behind_point_tags(runs, starts, lengths)
        if len(encoded):
            self._seen.mark(encoded)

    def _gather(self, runs: WordRuns) -> None:
        place, deep = runs.view.place, self._context.deep
        add = self._candidates
        add[LIMBS_256].add(secret_windows.windows_256(runs, deep=deep), place)
        add[LIMBS_384].add(secret_windows.windows_384(runs, deep=deep), place)
        add[LIMBS_448].add(secret_windows.windows_448(runs), place)
        add[LIMBS_521].add(secret_windows.windows_521(runs), place)
        for limbs, windows in secret_digits.windows_in_digits(runs):
            add[limbs].add(windows, place)
        for limbs, windows in secret_digits.windows_in_ints(runs):
            add[limbs].add(windows, place)

    def _mark_known(self) -> None:
        """Mark the public halves that are known, in the form that names them."""
        for public in self._points:
            whole = public[: len(public) // _WORD * _WORD]
            self._seen.mark(np.frombuffer(whole, np.uint64))

    def _derive(self, limbs: int, candidates: Candidates, deadline: float) -> None:
        if limbs == LIMBS_448 and not seeds.knows_448(self._points):
            return
        for windows in candidates.batches():
            require_time(deadline)
            if limbs == LIMBS_448:
                for row, pair in seeds.pairs_448(windows.rows, self._points):
                    self._suspect(pair, windows, row, candidates)
                continue
            for derived in ec_keys.derive(limbs, windows.rows):
                self._look_up(derived, windows, candidates)
            for derived in seeds.derive(windows.rows) if limbs == LIMBS_256 else ():
                self._look_up(derived, windows, candidates)
        if candidates.is_exhausted:
            self._gap("more possible scalars and seeds than the limit")

    def _look_up(self, derived: Derived, windows: Windows, candidates: Candidates) -> None:
        count, forms, used = derived.publics.shape
        flat = derived.publics.reshape(count * forms, used)
        seen = self._seen.has_rows(flat, used).reshape(count, forms).any(axis=1)
        make = ec_keys.pair if derived.algorithm in ec_keys.ALGORITHMS else seeds.pair
        for index in np.flatnonzero(seen).tolist():
            self._suspect(make(derived, index), windows, int(derived.rows[index]), candidates)

    def _suspect(self, pair: Pair, windows: Windows, row: int, candidates: Candidates) -> None:
        if len(self._suspects) >= self._context.limits.suspects:
            self._gap("more possible key pairs than the limit")
            return
        place = candidates.place(int(windows.members[row]))
        first = _Seat(place, int(windows.offsets[row]), int(windows.lengths[row]))
        is_proven = any(name in self._points for name in pair.names)
        self._suspects.append(_Suspect(pair, first, is_proven))

    def _want(self, suspect: _Suspect) -> None:
        """Look for both halves of a pair on the second walk."""
        halves = (*((p, False) for p in suspect.pair.publics),
                  *((s, True) for s in suspect.pair.secrets))  # fmt: skip
        for content, is_secret in halves:
            self._wanted.mark(np.frombuffer(content, np.uint64, 2))
            waiting = self._by_word.setdefault(content[:_WORD], [])
            waiting.append((content, suspect, is_secret))

    def _seat(self, suspect: _Suspect, view: BlockView, at: int, length: int) -> None:
        if len(suspect.seats) < self._context.limits.places:
            suspect.seats.append(_Seat(view.place, view.block.offset + at, length))
        else:
            self.gaps.add(view.gap(GapReason.BUDGET, "more places of a key than listed"))

    def _sightings(self, suspect: _Suspect) -> Iterator[Sighting]:
        is_ec = suspect.pair.algorithm in ec_keys.ALGORITHMS
        identity = (ec_keys if is_ec else seeds).identify(suspect.pair)
        if identity is None:
            return
        proof = Proof.EC_KNOWN_POINT if is_ec else Proof.ED_KNOWN_PUBLIC_KEY
        for seat in suspect.seats or [suspect.first]:
            yield Sighting(self._evidence(identity, seat, proof), seat.place)

    def _evidence(self, identity: Identity, seat: _Seat, proof: Proof) -> Evidence:
        ephemeral = self._points.is_ephemeral(identity.public)
        return Evidence(
            format=identity.format,
            kind=FindingKind.PRIVATE_KEY,
            class_=FindingClass.SESSION if ephemeral else FindingClass.PRIVATE,
            algorithm=identity.algorithm,
            bits=identity.bits,
            fingerprint=identity.fingerprint,
            offset=seat.offset,
            length=seat.length,
            proof=(proof,),
        )

    def _gap(self, detail: str) -> None:
        self.gaps.add(Gap(GapReason.BUDGET, detail=detail))
