"""Windows of memory: the loops in C and in numpy, and what each lets pass."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.scan import native
from lockgate.scan.search import windows
from lockgate.scan.search.forms import FORMS
from lockgate.scan.search.isolated import primes_behind
from lockgate.scan.search.windows import Ranges

#: Words of every kind that ends a run, and of those that do not.
WORDS = st.one_of(
    st.integers(0, (1 << 64) - 1),
    st.integers(0, 1 << 20),
    st.integers(0x7F00_0000_0000, 0x7F00_FFFF_FFFF),
    st.just(int.from_bytes(b"textword", "little")),
    st.just(0x8123_4567_89AB_CDEF),
)


def buffer_of(words: list[int]) -> windows.Bytes:
    """Words as bytes."""
    return np.frombuffer(np.array(words, np.uint64).tobytes(), np.uint8)


def both(call) -> tuple[object, object]:
    """What C and what numpy give."""
    with native.off():
        slow = call()
    return call(), slow


def as_lists(answer: object) -> object:
    """Arrays, also in tuples, as lists."""
    if isinstance(answer, tuple):
        return [part.tolist() for part in answer]
    return answer.tolist()


def test_library_is_built_here():
    """Where these tests run there is a C compiler: the loops in C are what is tested."""
    assert native.is_loaded()


@settings(max_examples=200, deadline=None)
@given(words=st.lists(WORDS, max_size=80), least=st.integers(1, 8))
def test_runs_are_the_same_in_c_and_numpy(words, least):
    """Both find the same runs in any words."""
    buffer = buffer_of(words)

    fast, slow = both(lambda: windows.runs(buffer, least))

    assert as_lists(fast) == as_lists(slow)


@settings(max_examples=100, deadline=None)
@given(content=st.binary(min_size=80, max_size=600), size=st.integers(16, 80), data=st.data())
def test_tests_of_windows_are_the_same_in_c_and_numpy(content, size, data):
    """Both let the same windows pass each test."""
    buffer = np.frombuffer(content, np.uint8)
    stride = data.draw(st.sampled_from([1, 4, 8]))
    least = data.draw(st.integers(0, (1 << 64) - 1))
    everywhere = windows.whole(len(buffer), size)
    scale = data.draw(st.integers(0, 1 << 256))
    tests = [windows.NearWhole(scale, 1 << 60), windows.NearWhole(scale >> 3, 1 << 59)]
    count = windows.sweep(len(buffer), size, 0, stride, len(buffer))
    positions = windows.odd(buffer, everywhere, 1, size)

    for call in (
        lambda: windows.odd(buffer, everywhere, stride, size, least),
        lambda: windows.sieved(buffer, positions, size),
        lambda: windows.random_looking(buffer, positions, size),
        lambda: windows.near_whole(buffer, 0, stride, count, size, tests[0]),
        lambda: windows.near_whole_by_any(buffer, positions, size, tests),
    ):
        fast, slow = both(call)
        assert as_lists(fast) == as_lists(slow)


@settings(max_examples=50, deadline=None)
@given(
    p=st.integers(1 << 120, 1 << 250),
    q=st.integers(1 << 200, 1 << 300),
    filler=st.binary(max_size=40),
)
def test_divisors_are_found_and_nothing_else(p, q, filler):
    """A window that divides a modulus passes, in C as in numpy; others do not."""
    p |= 1
    size = -(-p.bit_length() // 8)
    buffer = np.frombuffer(filler + p.to_bytes(size, "little") + bytes(8), np.uint8)
    positions = windows.odd(buffer, windows.whole(len(buffer), size), 1, size)
    values = windows.values(buffer, positions, size)
    full = 1 << 64 * ((size - 1) // 8)
    whole = zip(positions.tolist(), values, strict=True)
    expected = [at for at, v in whole if v >= full and not p * q % v]

    fast, slow = both(lambda: windows.divisors(buffer, positions, size, [q * q + 2, p * q]))

    assert set(expected) <= set(as_lists(fast))
    assert set(as_lists(slow)) <= set(as_lists(fast))
    assert len(filler) in as_lists(fast)


def test_ranges_bound_where_windows_begin():
    """Only windows that begin inside a range are looked at, each once."""
    buffer = np.full(64, 0xFF, np.uint8)
    ranges = Ranges(np.array([0, 40]), np.array([8, 39]))

    fast, slow = both(lambda: windows.odd(buffer, ranges, 4, 16))

    assert as_lists(fast) == as_lists(slow) == [0, 4, 8]


@given(content=st.binary(min_size=64, max_size=256).map(lambda b: b[: len(b) // 8 * 8]))
@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_origin_leads_back_to_the_bytes_of_a_number(form, content):
    """A number's place in a turned buffer is the place of its own bytes in memory."""
    buffer = np.frombuffer(content, np.uint8)
    turned = form.turned(buffer)
    size = 24
    for position in range(0, len(buffer) - form.length(size) + 1, form.stride):
        (origin,) = form.origin(np.array([position]), size, len(buffer)).tolist()
        again = form.turned(buffer[origin : origin + 24]) if form.stride in {4, 8, 1} else None
        assert again.tobytes() == turned[position : position + 24].tobytes()


@settings(max_examples=30, deadline=None)
@given(e=st.sampled_from([3, 17, 257, 65537]), seed=st.integers(1 << 90, 1 << 100))
def test_prime_behind_a_crt_exponent_is_among_those_given(e, seed):
    """``e * dP - 1`` is a multiple of p - 1 by less than e: p is found without the modulus."""
    p = seed | 1
    while math.gcd(p, windows.SIEVED) > 1 or math.gcd(e, p * (p - 1)) > 1:
        p += 2

    assert p in primes_behind(pow(e, -1, p - 1), e)
