"""EC keys of OpenSSL whose public point was never made affine: a key generated in the process.

OpenSSL keeps a computed point in Jacobian coordinates, x = X / Z^2 (IEEE 1363, A.9.6), so that
its X coordinate stands nowhere until somebody asks for it. ``struct ec_point_st`` on 64-bit
machines is ``{method *; int curve; BIGNUM *X, *Y, *Z; int Z_is_one}``; ``curve`` is the number
of the curve's name (obj_mac.h).

Rules enforced here:

1. A structure counts only when its pointers lead to BIGNUM structures of the dump.
2. Coordinates may be in Montgomery form or not; the scalar is looked for among the other
   BIGNUMs. Equal coordinates of 256 bits and more prove the pair.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import gmpy2
import numpy as np

from lockgate.scan.evidence import Evidence
from lockgate.scan.findings import Sighting
from lockgate.scan.gaps import Gaps
from lockgate.scan.limits import require_time
from lockgate.scan.prove import ec
from lockgate.scan.prove.fixed_base import BASES, Base, coordinates
from lockgate.scan.report import FindingClass, FindingKind, GapReason, Proof
from lockgate.scan.search import bignum
from lockgate.scan.search.ec_keys import is_trivial
from lockgate.scan.search.limbs import Words
from lockgate.scan.search.numbers import Number
from lockgate.scan.search.search import BlockView, Context

#: The curves searched, by OpenSSL's numbers of their names.
_NAMES = {415: "P-256", 714: "secp256k1", 715: "P-384", 716: "P-521"}
_LEAST_LIMBS, _MOST_LIMBS = 4, 9
_BATCH = 4096


@dataclass(frozen=True, slots=True)
class _Point:
    """The addresses of the BIGNUM structures of X and Z, in one member."""

    member: int
    curve: str
    x: int
    z: int


class OpensslPointSearch:
    """Points by their structure, and the scalars among the BIGNUMs that derive them."""

    names: tuple[str, ...] = ("openssl-ec-point",)
    reads_text = False

    def __init__(self, context: Context) -> None:
        self._pool = context.pool
        self._left = context.limits.bignums
        self._limbs: dict[tuple[int, int], int] = {}
        self._points: list[_Point] = []
        self.gaps = Gaps()

    def survey(self, view: BlockView) -> None:
        """Note points, and which address has the limbs of which number."""
        memory, member = view.place.memory, view.place.number
        for aligned in view.aligned if memory is not None else ():
            assert memory is not None
            first, last = aligned.own
            words = aligned.words[first : last + 6]
            self._points += _points(words[: last - first + 6], member)
            for index, span in bignum.find_structures(words[: last - first + 2], memory):
                if not _LEAST_LIMBS <= span.limbs <= _MOST_LIMBS:
                    continue
                address = memory.address_of(aligned.offset(first + index))
                if self._left <= 0:
                    detail = "more BIGNUM structures than the limit"
                    self.gaps.add(view.gap(GapReason.BUDGET, detail))
                    return
                if address is not None:
                    self._left -= 1
                    self._limbs[member, address] = span.offset

    def prepare(self) -> bool:
        """The numbers themselves are read on the second walk, by the search for BIGNUMs."""
        return bool(self._points)

    def fetch(self, _view: BlockView) -> None:
        """Nothing of its own."""

    def conclude(self, deadline: float) -> Iterator[Sighting]:
        """The scalars among the BIGNUMs whose point was seen."""
        values = {(n.place.number, n.offset): n.value for n in self._pool.numbers}
        for name in sorted({point.curve for point in self._points}):
            seen = set[int]()
            for point in self._points:
                if point.curve == name:
                    x, z = (
                        values.get((point.member, self._limbs.get((point.member, at), -1)), 0)
                        for at in (point.x, point.z)
                    )
                    seen.update(_affine(BASES[name], x, z))
            if seen:
                yield from _scalars(BASES[name], self._pool.numbers, seen, deadline)


def _points(words: Words, member: int) -> Iterator[_Point]:
    """The structures that begin one word before each but the last five of ``words``."""
    if len(words) < 6:
        return
    middle = words[1:-4]
    likely = 1 + np.flatnonzero(np.isin(middle, np.array(list(_NAMES), np.uint64)))
    for at in likely.tolist():
        method, curve, x, y, z, is_one = words[at - 1 : at + 5].tolist()
        pointers = (method, x, y, z)
        if is_one & 0xFFFFFFFF < 2 and all(0xFFFF < p < 1 << 56 and not p % 8 for p in pointers):
            yield _Point(member, _NAMES[curve], x, z)


def _affine(base: Base, x: int, z: int) -> Iterator[int]:
    """``x / z^2``, of plain numbers and of numbers in Montgomery form."""
    if 0 < x < base.prime and 0 < z < base.prime:
        plain = x * gmpy2.invert(z * z, base.prime) % base.prime
        yield int(plain)
        yield int((plain << 64 * base.limbs) % base.prime)


def _scalars(
    base: Base, numbers: Iterable[Number], seen: set[int], deadline: float
) -> Iterator[Sighting]:
    """The numbers that derive one of the X coordinates seen."""
    size = 8 * base.limbs
    likely = [n for n in numbers if n.length <= size and base.order >> 64 < n.value < base.order]
    for start in range(0, len(likely), _BATCH):
        require_time(deadline)
        batch = likely[start : start + _BATCH]
        packed = b"".join(n.value.to_bytes(size, "little") for n in batch)
        scalars = np.frombuffer(packed, np.uint64).reshape(-1, base.limbs)
        plain = np.ascontiguousarray(coordinates(base, scalars)[:, 0])
        for number, row in zip(batch, plain, strict=True):
            if int.from_bytes(row.tobytes(), "little") in seen:
                yield from _sighting(ec.CURVES[base.name], number)


def _sighting(curve: ec.Curve, number: Number) -> Sequence[Sighting]:
    if is_trivial(curve, number.value):
        return ()
    fingerprint = ec.fingerprint(curve, ec.public_point(curve, number.value))
    evidence = Evidence(
        format=number.format,
        kind=FindingKind.PRIVATE_KEY,
        class_=FindingClass.PRIVATE,
        algorithm="EC",
        bits=curve.bits,
        fingerprint=fingerprint,
        offset=number.offset,
        length=number.length,
        proof=(Proof.EC_KNOWN_POINT, Proof.BIGNUM_STRUCTURE),
    )
    return (Sighting(evidence, number.place),)
