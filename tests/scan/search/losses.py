"""How many keys each layout loses to chance: ``python tests/scan/search/losses.py [KEYS]``.

A number is told from other memory by what random numbers look like, and some do not look so. Keys
are drawn here from a new seed each time, each with only one private number and one public half.
"""

from __future__ import annotations

import math
import os
import random
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import gmpy2

from lockgate.formats.scanner import standard_scanner
from lockgate.scan.prove.rsa import fingerprint

sys.path.insert(0, str(Path(__file__).parents[3]))
from tests.scan.search import number_forms, planted

_E = 65537


@dataclass(frozen=True, slots=True)
class Loss:
    """Of ``keys`` keys in one layout, how many were ``missed``, and how many findings are none."""

    layout: str
    keys: int
    missed: int
    false: int


def measure(keys: int, chance: random.Random) -> Iterator[Loss]:
    """Every layout of every sort of key."""
    yield from _rsa(keys, chance)
    yield from _curves(keys, chance)
    yield _seeds(keys, chance)


def _loss(layout: str, content: bytes, keys: Iterable[str]) -> Loss:
    wanted = set(keys)
    fd = os.memfd_create("losses")
    try:
        os.write(fd, content)
        found = {f.fingerprint for f in standard_scanner().scan_fd(fd, layout).findings}
    finally:
        os.close(fd)
    return Loss(layout, len(wanted), len(wanted - found), len(found - wanted))


def _rsa(keys: int, chance: random.Random) -> Iterator[Loss]:
    for name, written in number_forms.FORMS.items():
        for part in ("p", "d", "dp"):
            numbers, names = [], []
            for _ in range(keys):
                n, private = _rsa_key(chance, part)
                names.append(fingerprint(n, _E))
                numbers += [written(n), written(private)]
            content = number_forms.memory(numbers, seed=chance.getrandbits(32))
            yield _loss(f"RSA, {part} as {name}", content, names)


def _rsa_key(chance: random.Random, part: str) -> tuple[int, int]:
    """The modulus, and one private number."""
    while True:
        p, q = (int(gmpy2.next_prime(chance.getrandbits(512) | 3 << 510)) for _ in range(2))
        if math.gcd(_E, (p - 1) * (q - 1)) == 1:
            d = pow(_E, -1, math.lcm(p - 1, q - 1))
            return p * q, {"p": p, "d": d, "dp": d % (p - 1)}[part]


def _curves(keys: int, chance: random.Random) -> Iterator[Loss]:
    for curve in planted.CURVES:
        for layout in planted.PRIVATE_LAYOUTS:
            yield _on_curve(keys, chance, curve, layout, "limbs")
        for layout in planted.PUBLIC_LAYOUTS:
            if (curve, layout) != ("secp256k1", "Montgomery of SymCrypt"):
                yield _on_curve(keys, chance, curve, "limbs", layout)


def _on_curve(keys: int, chance: random.Random, curve: str, private: str, public: str) -> Loss:
    memory, names = planted.Memory(chance.getrandbits(32)), []
    for _ in range(keys):
        key = planted.EcKey(curve, memory.chance)
        planted.plant_private(memory, private, key)
        planted.plant_public(memory, public, key)
        names.append(key.fingerprint)
    return _loss(f"{curve}, private as {private}, public as {public}", memory.content(), names)


def _seeds(keys: int, chance: random.Random) -> Loss:
    memory, names = planted.Memory(chance.getrandbits(32)), []
    for _ in range(keys):
        seed = memory.chance.randbytes(32)
        public, name = planted.ed25519(seed)
        memory.plant(seed)
        memory.plant(public)
        names.append(name)
    return _loss("Ed25519, seed and public half", memory.content(), names)


def main(show: Callable[[str], object] = print) -> int:
    """Print each layout that lost a key, and the sum; 1 when anything false was found."""
    keys = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    losses = list(measure(keys, random.Random()))
    for loss in losses:
        if loss.missed or loss.false:
            show(f"{loss.layout}: {loss.missed} of {loss.keys} missed, {loss.false} false")
    for word, chosen in (("RSA by d alone", True), ("others", False)):
        group = [loss for loss in losses if loss.layout.startswith("RSA, d ") is chosen]
        show(f"{word}: {sum(x.missed for x in group)} of {sum(x.keys for x in group)} missed")
    return int(any(loss.false for loss in losses))


if __name__ == "__main__":
    sys.exit(main())
