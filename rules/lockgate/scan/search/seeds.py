"""Bare 32-byte secrets: Ed25519 seeds and P-256 scalars whose public half is known.

Rules enforced here:

1. Any 32 bytes derive some public key, so a window counts only when the derived key is
   registered or stands in the same file inside a SubjectPublicKeyInfo.
2. Deriving costs tens of microseconds: only isolated runs of four to eight random-looking
   words are tried, each value once, within a budget whose end is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lockgate.scan.evidence import Evidence
from lockgate.scan.prove import ec, edwards
from lockgate.scan.report import FindingClass, FindingKind, Proof
from lockgate.scan.search import limbs

_LIMBS = 4
_LONGEST_RUN = 8
_BYTES = 32
#: A random 32-byte string has about 30 distinct bytes; fewer than this are text or tables.
_DISTINCT = 22
_P256 = ec.CURVES["P-256"]
_ED25519 = edwards.ALGORITHMS["Ed25519"]


class SeedSearch:
    """Derives public keys from windows and looks them up."""

    def __init__(self, known: Iterable[bytes], budget: int) -> None:
        """``known``: raw Ed25519 public keys and points ``x || y``, told by their length."""
        values = frozenset(known)
        self._publics = frozenset(v for v in values if len(v) == _BYTES)
        self._points = frozenset(v for v in values if len(v) == 2 * _BYTES)
        self._budget = budget
        self._tried: dict[bytes, tuple[Evidence, ...]] = {}
        self.is_exhausted = False

    @property
    def is_needed(self) -> bool:
        """Whether any public key is known that a window could derive."""
        return bool(self._publics or self._points)

    def windows(self, words: limbs.Words, first: int, last: int) -> Iterator[tuple[int, Evidence]]:
        """``(word index, evidence at offset 0)`` of every proven window in ``first..last``."""
        runs = limbs.runs_of(words, _LIMBS)
        short = runs.lengths <= _LONGEST_RUN
        chosen = limbs.Runs(runs.starts[short], runs.lengths[short])
        starts = limbs.windows_of(chosen, _LIMBS, inside_long_runs=True)
        for start in starts[(starts >= first) & (starts < last)].tolist():
            window = words[start : start + _LIMBS].tobytes()
            if len(set(window)) >= _DISTINCT:
                for evidence in self._derived(window):
                    yield start, evidence

    def _derived(self, window: bytes) -> tuple[Evidence, ...]:
        if window in self._tried:
            return self._tried[window]
        if len(self._tried) >= self._budget:
            self.is_exhausted = True
            return ()
        self._tried[window] = found = (*self._seed(window), *self._scalar(window))
        return found

    def _seed(self, window: bytes) -> Iterator[Evidence]:
        if self._publics:
            public = edwards.public_key(_ED25519.name, window)
            if public in self._publics:
                fingerprint = edwards.fingerprint(_ED25519.name, public)
                proof = Proof.ED_KNOWN_PUBLIC_KEY
                yield _evidence("raw-seed", _ED25519.name, fingerprint, proof)

    def _scalar(self, window: bytes) -> Iterator[Evidence]:
        """The window as a scalar in either byte order: limbs, or as bytes of a message."""
        scalars = (int.from_bytes(window, "little"), int.from_bytes(window, "big"))
        for scalar in scalars if self._points else ():
            if 1 <= scalar < _P256.order:
                point = ec.public_point(_P256, scalar)
                if point[1:] in self._points:
                    fingerprint = ec.fingerprint(_P256, point)
                    yield _evidence("raw-scalar", "EC", fingerprint, Proof.EC_KNOWN_POINT)


def _evidence(form: str, algorithm: str, fingerprint: str, proof: Proof) -> Evidence:
    return Evidence(
        format=form,
        kind=FindingKind.PRIVATE_KEY,
        class_=FindingClass.PRIVATE,
        algorithm=algorithm,
        bits=256,
        fingerprint=fingerprint,
        offset=0,
        length=_BYTES,
        proof=(proof,),
    )
