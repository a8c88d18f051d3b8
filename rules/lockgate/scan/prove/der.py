"""DER (ITU-T X.690) as far as private keys need it: a reader that never raises, a writer.

Rules enforced here:

1. The reader is bounded and total: hostile bytes give None or a short list, no exception.
2. A length that promises more than there is gives an element that is *cut*, because a key
   cut in half must be told from bytes that are no key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

INTEGER, BIT_STRING, OCTET_STRING, NULL, OID, SEQUENCE = 0x02, 0x03, 0x04, 0x05, 0x06, 0x30
CONTEXT_0, CONTEXT_1 = 0xA0, 0xA1

_MOST_LENGTH_BYTES = 4


@dataclass(frozen=True, slots=True)
class Element:
    """One tag-length-value; ``start``, ``body`` and ``end`` are offsets in the data read.

    ``end`` is where the length says the element ends; ``cut`` when that is past the data.
    """

    tag: int
    start: int
    body: int
    end: int
    cut: bool


def read(data: bytes, at: int, limit: int | None = None) -> Element | None:
    """The element at ``at``; None when no complete header of definite length stands there.

    ``limit`` is the end of the enclosing element; an element that leaves it is no element.
    """
    stop = len(data) if limit is None else min(limit, len(data))
    if at < 0 or at + 2 > stop:
        return None
    body, length = at + 2, data[at + 1]
    if length >= 0x80:
        count = length & 0x7F
        body += count
        if not 1 <= count <= _MOST_LENGTH_BYTES or body > stop:
            return None
        length = int.from_bytes(data[at + 2 : body], "big")
    end = body + length
    if limit is not None and end > limit:
        return None
    return Element(data[at], at, body, end, end > len(data))


def children(data: bytes, parent: Element, most: int = 16) -> Iterator[Element]:
    """The elements inside ``parent``, at most ``most``; ends at the first broken or cut one.

    A cut element is still given, as the last.
    """
    at = parent.body
    for _ in range(most):
        element = read(data, at, parent.end)
        if element is None:
            return
        yield element
        if element.cut:
            return
        at = element.end


def content(data: bytes, element: Element) -> bytes:
    """The bytes of the value, as many as there are."""
    return data[element.body : element.end]


def unsigned(data: bytes, element: Element) -> int:
    """The value of an INTEGER, read as unsigned (some writers forget the leading zero)."""
    return int.from_bytes(data[element.body : element.end], "big")


def encode(tag: int, *values: bytes) -> bytes:
    """One element with the values as its content."""
    value = b"".join(values)
    size = len(value)
    if size < 0x80:
        return bytes((tag, size)) + value
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + value


def encode_integer(number: int) -> bytes:
    """A non-negative INTEGER."""
    return encode(INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def encode_bits(value: bytes) -> bytes:
    """A BIT STRING of whole bytes."""
    return encode(BIT_STRING, b"\0", value)


def public_key_fingerprint(algorithm: bytes, public_key: bytes) -> str:
    """``sha256:`` and the hex digest of a SubjectPublicKeyInfo.

    Args:
        algorithm: the complete AlgorithmIdentifier.
        public_key: the content of the subjectPublicKey BIT STRING.
    """
    spki = encode(SEQUENCE, algorithm, encode_bits(public_key))
    return f"sha256:{hashlib.sha256(spki).hexdigest()}"


def sequence_before(data: bytes, body: int) -> Element | None:
    """The SEQUENCE whose content begins at ``body``: the way back from an anchor."""
    for header in (4, 3, 2):
        element = read(data, body - header)
        if element is not None and element.tag == SEQUENCE and element.body == body:
            return element
    return None
