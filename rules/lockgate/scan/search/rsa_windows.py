"""Registered RSA keys: every window of every block is tried against their moduli.

A registered key must be found wherever one private number of it is left, also inside compressed
or random bytes, so nothing is left out for looking unlike a number.

Rules enforced here:

1. Each form of :mod:`lockgate.scan.search.forms` is looked for at each multiple of its word: a
   prime factor by division, the private exponent by its top bits and then in full.
2. Zeros are passed over; nothing else is.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lockgate.scan.findings import Sighting
from lockgate.scan.gaps import Gaps
from lockgate.scan.search import windows
from lockgate.scan.search.forms import FORMS, UNALIGNED, Form
from lockgate.scan.search.numbers import Number
from lockgate.scan.search.rsa_keys import USUAL_EXPONENT
from lockgate.scan.search.rsa_targets import exponent_targets, may_invert, prime_targets
from lockgate.scan.search.search import BlockView, Context
from lockgate.scan.search.windows import Bytes, Positions


class RegisteredRsaSearch:
    """Looks for the private numbers of registered moduli on the first walk."""

    names: tuple[str, ...] = ("registered-rsa",)
    reads_text = False

    def __init__(self, context: Context) -> None:
        self._pool = context.pool
        keys = [(n, e or USUAL_EXPONENT) for n, e, _ in context.registry.rsa_moduli]
        self._keys = keys
        self._primes = prime_targets(n for n, _ in keys)
        self._exponents = list(exponent_targets(keys))
        self._longest = max((-(-n.bit_length() // 8) for n, _ in keys), default=0) + 8
        self._forms = (*FORMS, UNALIGNED) if context.deep else FORMS
        self.gaps = Gaps()

    def survey(self, view: BlockView) -> None:
        """Try all windows that begin in one block."""
        for start, stop in view.block.spans() if self._keys else ():
            for phase in {aligned.phase for aligned in view.aligned}:
                self._try(view, start + (phase - start) % 8 - 8, stop)

    def prepare(self) -> bool:
        """The first walk has seen everything."""
        return False

    def fetch(self, _view: BlockView) -> None:
        """Nothing is left to do."""

    def conclude(self, _deadline: float) -> Iterator[Sighting]:
        """Nothing: what was found is put together with all other numbers."""
        return iter(())

    def _try(self, view: BlockView, start: int, stop: int) -> None:
        """Windows that begin from ``start`` to ``stop`` of the block's data, in all forms."""
        data = view.block.data
        first = start if start >= 0 else start + 8
        taken = bytes(data[first : stop + self._longest])
        buffer = np.frombuffer(taken + bytes(-len(taken) % 8 + 8), np.uint8)
        for form in self._forms:
            turned = form.turned(buffer)
            for size, hits in self._hits(turned, form):
                origins = form.origin(hits, size, len(buffer)).tolist()
                for value, origin in zip(windows.values(turned, hits, size), origins, strict=True):
                    if view.block.start <= first + origin < view.block.stop:
                        offset = view.block.offset + first + origin
                        length = form.length(size)
                        number = Number(value, view.place, offset, length, form.name)
                        self._pool.numbers.append(number)

    def _hits(self, turned: Bytes, form: Form) -> Iterator[tuple[int, Positions]]:
        for target in self._primes:
            everywhere = windows.whole(len(turned), target.size)
            odd = windows.odd(
                turned, everywhere, form.stride, target.size, target.least, target.most
            )
            sieved = windows.sieved(turned, odd, target.size)
            yield target.size, target.divisors(turned, sieved)
        for test in self._exponents:
            count = windows.sweep(len(turned), test.size, 0, form.stride, len(turned))
            near = windows.near_whole(turned, 0, form.stride, count, test.size, test.in_bytes)
            values = windows.values(turned, near, test.size)
            yield test.size, near[[may_invert(test.n, test.e, value) for value in values]]
