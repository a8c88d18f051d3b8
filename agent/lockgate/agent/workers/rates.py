"""How long a scan is expected to take, from those that ended.

Rules enforced here:

1. A file costs a fixed time and a time for each byte; both are measured, by size class, since
   caches, nesting and dumps make small and large files unlike.
2. One odd file moves nothing much: the upper quartile of the last scans of a class counts.
3. Before the first measurement the estimate is pessimistic, never zero. What was measured for
   sizes far away may make it lower, never higher: small files tell little of what a large one's
   bytes cost, and who waits in vain is told at the deadline, who is refused in vain at once.
"""

from __future__ import annotations

from collections import deque

#: What a scan is believed to cost before any was measured.
ASSUMED_FIXED_S = 0.05
ASSUMED_BYTES_PER_S = 20e6
#: Files below this size are taken to cost the fixed time only.
SMALL_BYTES = 1 << 16
_KEPT = 31
#: Size classes from one that was measured: beyond, it is far away.
_NEAR = 2


class Rates:
    """Measured times of one zone's scans; not thread-safe."""

    def __init__(self) -> None:
        self._fixed: deque[float] = deque(maxlen=_KEPT)
        self._per_byte: dict[int, deque[float]] = {}

    def note(self, size: int, seconds: float) -> None:
        """A scan of ``size`` bytes took ``seconds``, or that long at least."""
        if size < SMALL_BYTES:
            self._fixed.append(seconds)
        else:
            recent = self._per_byte.setdefault(_size_class(size), deque(maxlen=_KEPT))
            recent.append(max(0.0, seconds - self._fixed_s()) / size)

    def estimate_s(self, size: int) -> float:
        """Seconds that a scan of ``size`` bytes is expected to take."""
        if size < SMALL_BYTES:
            return self._fixed_s()
        return self._fixed_s() + size * self._s_per_byte(_size_class(size))

    def _fixed_s(self) -> float:
        return _upper_quartile(self._fixed) if self._fixed else ASSUMED_FIXED_S

    def _s_per_byte(self, wanted: int) -> float:
        """Of the nearest class that was measured; of two as near, the slower."""
        if not self._per_byte:
            return 1 / ASSUMED_BYTES_PER_S
        nearest = min(abs(known - wanted) for known in self._per_byte)
        near = {wanted - nearest, wanted + nearest} & self._per_byte.keys()
        measured = max(_upper_quartile(self._per_byte[known]) for known in near)
        return measured if nearest <= _NEAR else min(measured, 1 / ASSUMED_BYTES_PER_S)


def _size_class(size: int) -> int:
    """One class for each factor of two."""
    return size.bit_length()


def _upper_quartile(values: deque[float]) -> float:
    return sorted(values)[len(values) * 3 // 4]
