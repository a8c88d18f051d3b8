"""RSA keys among islands of memory, with no key known before.

Rules enforced here:

1. The first walk guesses moduli: islands of a modulus' usual size, and isolated numbers of any.
   The second looks for primes and private exponents of all moduli seen by then, announced,
   guessed or made of two primes that stand alone, at every alignment inside the islands.
2. Isolated numbers are tried as factors of an eighth to two thirds of a modulus, which holds
   primes of unequal sizes and of keys of up to eight primes, and as CRT exponents.
3. Each bound that is reached is a gap; announced moduli are tried before guessed ones.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np

from lockgate.scan.findings import Sighting
from lockgate.scan.gaps import Gaps
from lockgate.scan.report import Gap, GapReason
from lockgate.scan.search import windows
from lockgate.scan.search.announced import announced_numbers
from lockgate.scan.search.digits import digit_numbers
from lockgate.scan.search.divide import Moduli
from lockgate.scan.search.forms import FORMS, UNALIGNED, Form
from lockgate.scan.search.islands import IslandBuffer, Islands
from lockgate.scan.search.isolated import isolated_numbers, primes_behind
from lockgate.scan.search.lone_primes import LonePrimes
from lockgate.scan.search.numbers import Number
from lockgate.scan.search.rsa_keys import find_rsa_keys
from lockgate.scan.search.rsa_targets import (
    ExponentTarget,
    PrimeTarget,
    ValuesByBits,
    exponent_targets,
    may_invert,
    prime_targets,
)
from lockgate.scan.search.search import BlockView, Context
from lockgate.scan.search.windows import Bytes, Positions, Ranges

#: Sizes of moduli in bytes that are guessed among numbers that touch others: 1024 to 8192 bits.
_MODULUS_BYTES = (128, 160, 192, 256, 320, 384, 448, 512, 640, 768, 960, 1024)
#: Bits of moduli that are guessed among isolated numbers are a multiple of this.
_USUAL_STEP = 128
#: Guessed moduli of other sizes are compared with isolated numbers only, not with every window.
_USUAL_BITS = frozenset(8 * size for size in _MODULUS_BYTES)
#: Bytes of islands that are looked at together.
_ENOUGH = 1 << 20
#: The shortest modulus that is guessed (bits).
_LEAST_MODULUS_BITS = 1000
#: Isolated numbers that are divided together.
_BATCH = 2048
_TOP_BIT = 1 << 63


class RsaSearch:
    """Islands and isolated numbers as moduli, primes, and exponents."""

    names: tuple[str, ...] = ("rsa-factor", "rsa-exponent", "rsa-crt-exponent")
    reads_text = False

    def __init__(self, context: Context) -> None:
        self._pool = context.pool
        self._registry = context.registry
        self._islands = IslandBuffer(deep=context.deep)
        self._forms = (*FORMS, UNALIGNED) if context.deep else FORMS
        self._seconds_left = context.limits.number_seconds
        self._isolated: list[Number] = []
        self._primes: list[PrimeTarget] = []
        self._exponents: list[ExponentTarget] = []
        self._usual_exponents: list[ExponentTarget] = []
        self._factors = Moduli(())
        self._factor_bits: set[int] = set()
        self._prime_bits: set[int] = set()
        self._exponent_bits: set[int] = set()
        self.gaps = Gaps()
        self._lone = LonePrimes(self._seconds_left / 4, self.gaps)

    def survey(self, view: BlockView) -> None:
        """First walk: guess moduli."""
        self._gather(view)
        for number in self._digits(view):
            self._guess(number.value)
            self._lone.note(number)
        if self._islands.size >= _ENOUGH:
            self._guess_moduli()

    def prepare(self) -> bool:
        """Between the walks; returns whether a second one has anything to do."""
        self._guess_moduli()
        self._pool.assume_moduli(self._lone.products(self._pool.moduli))
        moduli = self._pool.moduli
        known = set(self._pool.known)
        usual = {n for n in moduli if n in known or n.bit_length() in _USUAL_BITS}
        self._primes = prime_targets(usual)
        self._exponents = list(exponent_targets(self._pool.keys))
        self._usual_exponents = [test for test in self._exponents if test.n in usual]
        self._factors = Moduli(moduli)
        self._note_bits()
        return bool(moduli)

    def fetch(self, view: BlockView) -> None:
        """Second walk: try what stands in islands against all moduli."""
        if not self._factors.all:
            return
        self._gather(view)
        self._isolated += self._digits(view)
        if self._islands.size >= _ENOUGH:
            self._try_islands()
        if len(self._isolated) >= _BATCH:
            self._try_isolated()

    def conclude(self, deadline: float) -> Iterator[Sighting]:
        """Try what is left, and put all numbers together."""
        if self._factors.all:
            self._isolated += self._pool.factors
            self._try_islands()
            self._try_isolated()
        numbers = [*self._pool.numbers, *self._pool.factors]
        yield from find_rsa_keys(numbers, self._pool, self.gaps, deadline)

    def _note_bits(self) -> None:
        """Bits of factors; of primes, half the modulus'; and of CRT exponents, a few less.

        The primes of registered moduli may be of unequal sizes.
        """
        sizes = {n.bit_length() for n in self._pool.moduli}
        self._factor_bits = {
            factor for bits in sizes for factor in range(bits // 8, bits * 2 // 3 + 1)
        }
        halves = {-(-bits // 2) for bits in sizes}
        unequal = {
            bits
            for n, _, _ in self._registry.rsa_moduli
            for bits in range(n.bit_length() // 3, n.bit_length() * 2 // 3)
        }
        self._prime_bits = unequal.union(halves, (half - 1 for half in halves))
        self._exponent_bits = unequal.union(half - fewer for half in halves for fewer in range(24))

    def _gather(self, view: BlockView) -> None:
        for phase in _phases(view):
            self._islands.add(view.block, view.place, phase)

    def _digits(self, view: BlockView) -> Iterator[Number]:
        for aligned in view.aligned:
            yield from digit_numbers(view.block, view.place, aligned.phase)

    def _guess_moduli(self) -> None:
        islands = self._islands.take()
        deadline = time.monotonic() + self._seconds_left
        if not len(islands.starts) or not self._has_time(deadline):
            return
        for number in isolated_numbers(islands, _LEAST_MODULUS_BITS // 8 - 8):
            if number.value.bit_length() % _USUAL_STEP == 0:
                self._guess(number.value)
                self._lone.note(number)
        for number in announced_numbers(islands, as_moduli=True):
            self._guess(number.value)
        for form in self._forms:
            turned = form.turned(islands.buffer)
            for size in _MODULUS_BYTES:
                for value in _moduli_among(islands, turned, form, size):
                    self._pool.guess_modulus(value)
        self._seconds_left = deadline - time.monotonic()

    def _guess(self, value: int) -> None:
        bits = value.bit_length()
        if bits >= _LEAST_MODULUS_BITS and bits % 2 == 0:
            self._pool.guess_modulus(value)

    def _try_islands(self) -> None:
        islands = self._islands.take()
        deadline = time.monotonic() + self._seconds_left
        if not len(islands.starts) or not self._has_time(deadline):
            return
        self._isolated += isolated_numbers(islands)
        self._isolated += announced_numbers(islands)
        for form in self._forms:
            turned = form.turned(islands.buffer)
            for size, hits in self._hits(islands, turned, form, deadline):
                self._keep(islands, turned, form, size, hits)
        self._seconds_left = deadline - time.monotonic()

    def _hits(
        self, islands: Islands, turned: Bytes, form: Form, deadline: float
    ) -> Iterator[tuple[int, Positions]]:
        """Sizes and positions of windows that are a prime or a private exponent."""
        for target in self._primes:
            if not self._has_time(deadline):
                return
            ranges = _inside(islands, form, target.size)
            odd = windows.odd(turned, ranges, form.stride, target.size, target.least, target.most)
            sieved = windows.sieved(turned, odd, target.size)
            random = windows.random_looking(turned, sieved, target.size)
            yield target.size, target.divisors(turned, random)
        by_size: dict[int, list[ExponentTarget]] = {}
        for test in self._usual_exponents:
            by_size.setdefault(test.size, []).append(test)
        for size, tests in by_size.items():
            if not self._has_time(deadline):
                return
            odd = windows.odd(turned, _inside(islands, form, size), form.stride, size)
            yield size, _exponents_among(turned, odd, size, tests)

    def _keep(
        self, islands: Islands, turned: Bytes, form: Form, size: int, hits: Positions
    ) -> None:
        origins = form.origin(hits, size, len(turned)).tolist()
        for value, origin in zip(windows.values(turned, hits, size), origins, strict=True):
            place, offset = islands.place(origin)
            number = Number(value, place, offset, form.length(size), form.name)
            self._pool.numbers.append(number)

    def _try_isolated(self) -> None:
        """Divide isolated numbers, and the primes behind those that may be CRT exponents."""
        deadline = time.monotonic() + self._seconds_left
        numbers, self._isolated = self._isolated, []
        if not self._has_time(deadline):
            return
        factors = [n for n in numbers if n.value.bit_length() in self._factor_bits]
        for index, _ in self._factors.divided_by([number.value for number in factors]):
            self._pool.numbers.append(factors[index])
        pairs = [
            (p, e, number)
            for number in numbers
            for e in sorted(self._pool.exponents)
            for p in self._primes_behind(number.value, e)
        ]
        for index, _ in self._factors.divided_by([p for p, _, _ in pairs]):
            p, e, number = pairs[index]
            self._pool.implied_primes[p] = e
            self._pool.numbers.append(number)
        self._pool.numbers += self._isolated_exponents(numbers)
        self._seconds_left = deadline - time.monotonic()

    def _isolated_exponents(self, numbers: Sequence[Number]) -> Iterator[Number]:
        values = ValuesByBits(number.value for number in numbers)
        for test in self._exponents:
            likely = {d for d in values.likely(test) if may_invert(test.n, test.e, d)}
            if likely:
                yield from (number for number in numbers if number.value in likely)

    def _primes_behind(self, value: int, e: int) -> Iterator[int]:
        if value.bit_length() in self._exponent_bits:
            primes = primes_behind(value, e)
            yield from (p for p in primes if p.bit_length() in self._prime_bits)

    def _has_time(self, deadline: float) -> bool:
        """Whether there is time left; a gap says that there is none."""
        if time.monotonic() < deadline:
            return True
        detail = "no time left to try numbers in memory"
        self.gaps.add(Gap(GapReason.BUDGET, detail=detail))
        return False


def _phases(view: BlockView) -> list[int]:
    """Alignments at which islands are gathered; a deep scan tries all places inside them."""
    phases = [aligned.phase for aligned in view.aligned]
    return phases[:1] if view.deep else phases


def _moduli_among(islands: Islands, turned: Bytes, form: Form, size: int) -> Sequence[int]:
    """Numbers of ``size`` bytes that fill an island but for a word at either end."""
    lengths = islands.stops - islands.starts
    fits = (lengths >= size - 8) & (lengths <= size + 16)
    starts, stops = islands.starts[fits], islands.stops[fits]
    shifts = np.arange(-7, 24) if form.stride == 1 else np.arange(-8, 24, form.stride)
    index = starts[:, None] + shifts
    inside = (index >= starts[:, None] - 7) & (index + size <= stops[:, None] + 7)
    positions = form.origin(index[inside], size, len(turned))
    positions = windows.odd_at(turned, np.sort(positions), size, _TOP_BIT)
    positions = windows.random_looking(turned, positions, size)
    return windows.values(turned, windows.sieved(turned, positions, size), size)


def _inside(islands: Islands, form: Form, size: int) -> Ranges:
    """Where windows of ``size`` bytes may begin, in the buffer turned by ``form``."""
    fits = islands.ends - islands.begins >= size - 8
    total = len(islands.buffer)
    firsts = np.maximum(islands.begins[fits] - 8, 0)
    lasts = np.minimum(islands.ends[fits] + 8, total) - form.length(size)
    if form.high_first:
        firsts, lasts = (form.origin(edge, size, total) for edge in (lasts, firsts))
    return Ranges(firsts // form.stride * form.stride, lasts)


def _exponents_among(
    turned: Bytes, positions: Positions, size: int, tests: Sequence[ExponentTarget]
) -> Positions:
    """Those windows that invert the public exponent of one of the keys."""
    near = windows.near_whole_by_any(turned, positions, size, [test.in_bytes for test in tests])
    random = windows.random_looking(turned, near, size)
    proven: set[int] = set()
    for test in tests if len(random) else ():
        likely = windows.near_whole_by_any(turned, random, size, [test.in_bytes])
        hits = zip(likely.tolist(), windows.values(turned, likely, size), strict=True)
        proven |= {at for at, value in hits if may_invert(test.n, test.e, value)}
    return np.array(sorted(proven), np.int64)
