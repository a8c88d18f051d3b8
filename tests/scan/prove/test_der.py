"""The DER reader is total; the writer is its inverse."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lockgate.scan.prove import der


@given(st.binary(max_size=300), st.integers(-5, 310))
def test_reading_never_raises(data, at):
    """Any bytes at any place give an element or None."""
    element = der.read(data, at)
    if element is not None:
        assert element.start == at
        assert element.cut == (element.end > len(data))
        assert len(list(der.children(data, element))) <= 16
        assert der.unsigned(data, element) >= 0


@given(st.binary(max_size=70000))
def test_written_elements_are_read_back(value):
    """Short and long lengths."""
    data = der.encode(der.OCTET_STRING, value)
    element = der.read(data, 0)
    assert element is not None
    assert (element.tag, element.end, element.cut) == (der.OCTET_STRING, len(data), False)
    assert der.content(data, element) == value


@given(st.integers(0, 1 << 2100))
def test_integers_are_read_back(number):
    """Non-negative INTEGERs keep their value and are minimal."""
    data = der.encode_integer(number)
    element = der.read(data, 0)
    assert element is not None
    assert der.unsigned(data, element) == number
    body = der.content(data, element)
    assert len(body) == 1 or body[0] or body[1] & 0x80


def test_cut_element_is_given_and_ends_its_siblings():
    """What promises more than there is, is cut, and the last."""
    inner = der.encode_integer(5) + der.encode(der.OCTET_STRING, b"secret")
    data = der.encode(der.SEQUENCE, inner)[:-3]
    outer = der.read(data, 0)
    assert outer is not None
    assert outer.cut
    assert [c.cut for c in der.children(data, outer)] == [False, True]


def test_element_that_leaves_its_parent_is_none():
    """A child may not be longer than its parent."""
    data = bytes.fromhex("3003040500") + bytes(10)
    outer = der.read(data, 0)
    assert outer is not None
    assert list(der.children(data, outer)) == []


def test_sequence_before_walks_back_over_every_header():
    """Headers of two, three and four bytes."""
    for size in (10, 200, 3000):
        data = b"\x00" * 7 + der.encode(der.SEQUENCE, bytes(size))
        body = len(data) - size
        found = der.sequence_before(data, body)
        assert found is not None
        assert (found.start, found.end) == (7, len(data))
    assert der.sequence_before(bytes(20), 10) is None
