"""Many public coordinates at once: C and ``cryptography`` give the same numbers."""

from __future__ import annotations

import hashlib
import random

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.scan import native
from lockgate.scan.prove import ec, fixed_base
from lockgate.scan.prove.fixed_base import BASES, Base

CURVES = ["P-256", "P-384", "P-521", "secp256k1"]


def limbs(base: Base, numbers: list[int]) -> fixed_base.Limbs:
    """Numbers as rows of limbs."""
    packed = b"".join(n.to_bytes(8 * base.limbs, "little") for n in numbers)
    return np.frombuffer(packed, np.uint64).reshape(-1, base.limbs)


def clamped(seed: bytes) -> int:
    """A scalar of X25519 (RFC 7748, section 5)."""
    return (int.from_bytes(seed, "little") & ((1 << 255) - 8)) | 1 << 254


def both(base: Base, numbers: list[int]) -> fixed_base.Limbs:
    """The coordinates, found equal with C, which is used for many, and without."""
    many = limbs(base, numbers * 8)
    with_c = fixed_base.coordinates(base, many)[: len(numbers)]
    with native.off():
        without = fixed_base.coordinates(base, many[: len(numbers)])
    assert (with_c == without).all()
    return with_c


@settings(max_examples=15, deadline=None)
@given(name=st.sampled_from(CURVES), data=st.data())
def test_c_and_fallback_agree(name, data):
    """Scalars of every size, and those next to the ends of the range, have equal forms."""
    base = BASES[name]
    near = st.integers(0, 300).map(lambda k: base.order - k)
    powers = st.builds(lambda i, k: (k << i) % base.order, st.integers(0, 520), st.integers(0, 999))
    numbers = st.one_of(st.integers(0, base.order), near, powers)
    both(base, data.draw(st.lists(numbers, min_size=1, max_size=12)))


@pytest.mark.parametrize("name", CURVES)
def test_plain_form_is_the_public_x(name):
    """Form 0 is X of ``d * G``; the second is it times 2 to the number of bits of the limbs."""
    base, curve = BASES[name], ec.CURVES[name]
    d = random.Random(3).randrange(1, base.order)

    (forms,) = both(base, [d])

    x = int.from_bytes(ec.public_point(curve, d)[1 : 1 + curve.size], "big")
    montgomery = (x << 64 * base.limbs) % base.prime
    assert forms[0].tobytes() == x.to_bytes(8 * base.limbs, "little")
    assert forms[1].tobytes() == montgomery.to_bytes(8 * base.limbs, "little")


def test_a_batch_larger_than_the_lanes_keeps_its_order():
    """The answer for a scalar does not depend on its neighbours."""
    base, chance = BASES["P-256"], random.Random(5)
    numbers = [chance.randrange(1, base.order) for _ in range(1100)]

    together = fixed_base.coordinates(base, limbs(base, numbers))

    for index in (0, 511, 512, 1099):
        alone = fixed_base.coordinates(base, limbs(base, [numbers[index]]))
        assert (alone[0] == together[index]).all()


def test_edwards_coordinate_is_the_ed25519_key():
    """The second form of Curve25519 is the Ed25519 public key without its sign."""
    seed = random.Random(7).randbytes(32)
    scalar = clamped(hashlib.sha512(seed).digest()[:32])

    (forms,) = both(BASES["Curve25519"], [scalar])

    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    assert forms[1].tobytes() == public[:31] + bytes((public[31] & 0x7F,))


@pytest.mark.parametrize("name", CURVES)
def test_range_is_one_to_the_order(name):
    """Zero and the order are no scalars; what is just inside is."""
    base = BASES[name]
    numbers = [0, 1, base.order - 1, base.order, base.order + 1, 1 << 255]

    inside = fixed_base.in_range(base, limbs(base, numbers)).tolist()

    assert inside == [False, True, True, False, False, base.order > 1 << 255]
