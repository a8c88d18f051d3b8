"""EC private keys among bare numbers: a scalar whose public point was seen.

Rules enforced here:

1. A scalar without its public point is nothing. The point is looked for among the points of
   certificates, the registry, and the other numbers, plain or in Montgomery form.
2. Scalars near 0 or near the order are no keys: their points are multiples of the generator
   that every library carries.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lockgate.scan.evidence import Evidence
from lockgate.scan.findings import Sighting
from lockgate.scan.limits import require_time
from lockgate.scan.prove import ec
from lockgate.scan.report import FindingClass, FindingKind, Proof
from lockgate.scan.search import bignum
from lockgate.scan.search.numbers import Number

#: The curves whose scalars are looked for without any marker.
_SEARCHED = ("P-256", "P-384", "P-521", "secp256k1")
_NEAR = 1 << 64


class PointSearch:
    """Multiplies scalars out, within a budget, and looks their points up."""

    def __init__(self, numbers: Sequence[Number], points: frozenset[bytes], budget: int) -> None:
        self._numbers = numbers
        self._points = points
        self._values = {number.value for number in numbers}
        self._budget = budget
        self.is_exhausted = False

    def keys(self, deadline: float) -> Iterator[Sighting]:
        """Every scalar whose point was seen.

        Raises:
            OutOfTimeError: the deadline passed; there may be more.
        """
        for name in _SEARCHED:
            curve = ec.CURVES[name]
            known: dict[int, bytes | None] = {}
            for number in self._numbers:
                if not self._fits(number, curve):
                    continue
                require_time(deadline)
                if number.value not in known:
                    known[number.value] = self._seen_point(curve, number.value)
                point = known[number.value]
                if point is not None:
                    yield _sighting(number, curve, point)

    def _fits(self, number: Number, curve: ec.Curve) -> bool:
        limbs = -(-curve.bits // 64)
        return number.length == 8 * limbs and _NEAR < number.value < curve.order - _NEAR

    def _seen_point(self, curve: ec.Curve, scalar: int) -> bytes | None:
        """``scalar * G`` if its coordinates were seen, else None."""
        if self._budget <= 0:
            self.is_exhausted = True
            return None
        self._budget -= 1
        point = ec.public_point(curve, scalar)
        return point if self._is_seen(curve, point) else None

    def _is_seen(self, curve: ec.Curve, point: bytes) -> bool:
        if point[1:] in self._points:
            return True
        x = int.from_bytes(point[1 : 1 + curve.size], "big")
        shift = 64 * -(-curve.bits // 64)
        return x in self._values or (x << shift) % curve.prime in self._values


def _sighting(number: Number, curve: ec.Curve, point: bytes) -> Sighting:
    structure = (Proof.BIGNUM_STRUCTURE,) if number.format == bignum.FORMAT else ()
    evidence = Evidence(
        format=number.format,
        kind=FindingKind.PRIVATE_KEY,
        class_=FindingClass.PRIVATE,
        algorithm="EC",
        bits=curve.bits,
        fingerprint=ec.fingerprint(curve, point),
        offset=number.offset,
        length=number.length,
        proof=(Proof.EC_KNOWN_POINT, *structure),
    )
    return Sighting(evidence, number.place)
