"""Public halves of elliptic-curve keys: where they are announced, and the pool of those known.

Rules enforced here:

1. What is harvested is public; it is never a finding by itself. It is what derived points are
   looked up in, so that the number of known keys costs nothing.
2. A public half is known by the bytes of its X coordinate (big-endian), or by its raw bytes
   where the algorithm has no other form (RFC 7748, RFC 8032).
3. A half that was announced *only* as the key share of a handshake is that of an ephemeral key:
   TLS (RFC 8446, section 4.2.8; RFC 8422, section 5.4) and SSH (RFC 5656, RFC 8731) make a new
   one for each. So is one that is r of an ECDSA signature (RFC 3279, section 2.2.3): its scalar
   is the nonce of that signature. Announced anywhere else (a certificate, a key file, the
   registry) it is that of a key that stays.

Sources of the headers: RFC 5280, 5480 and 8410 (SubjectPublicKeyInfo), RFC 5915 and 5958
(private keys with their public half), RFC 5656 and 8709 (SSH), RFC 9580 (OpenPGP), the
s-expressions of libgcrypt, BCRYPT_ECCKEY_BLOB of CNG.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

#: Public halves kept; trust stores hold some hundred.
_MOST = 100_000
_X25519_MLKEM = 0x11EC
_MLKEM768_KEY, _MLKEM768_CIPHERTEXT = 1184, 1088


@dataclass(frozen=True, slots=True)
class Anchor:
    """Behind ``header`` and ``skip`` bytes stand ``size`` bytes that name a public key.

    ``is_once`` when the header is that of a handshake's key share or of a signature.
    """

    header: bytes
    size: int
    skip: int = 0
    is_once: bool = False


def _nist_anchors() -> Iterator[Anchor]:
    curves = ((b"nistp256", 32, 23, b"12"), (b"nistp384", 48, 24, b"34"), (b"nistp521", 66, 25,
                                                                         b"56"))  # fmt: skip
    for name, size, group, magic in curves:
        long, short = 1 + 2 * size, 1 + size
        yield Anchor(_der(3, long + 1) + b"\0\x04", size)
        for sign in (b"\2", b"\3"):
            yield Anchor(_der(3, short + 1) + b"\0" + sign, size)
        yield Anchor(name + long.to_bytes(4, "big") + b"\x04", size)
        yield Anchor(name + short.to_bytes(4, "big"), size, skip=1)
        share = group.to_bytes(2, "big")
        yield Anchor(share + long.to_bytes(2, "big") + b"\x04", size, is_once=True)
        yield Anchor(b"\x03" + share + bytes((long,)) + b"\x04", size, is_once=True)
        for letter in b"SK":
            for number in magic:
                head = b"EC" + bytes((letter, number))
                yield Anchor(head + size.to_bytes(4, "little"), size)
        yield from _signature_anchors(size)
    yield Anchor(b"1:q65:\x04", 32)
    yield Anchor(b"q\x01\x41\0\x04", 32)
    yield Anchor(b"q\x01\x61\0\x04", 48)
    yield Anchor(b"q\x01\x85\0\x04", 66)


def _signature_anchors(size: int) -> Iterator[Anchor]:
    """The r of a DER signature; r and s may need a zero before their top bit."""
    forms = ((0, b""), (1, b""), (1, b"\0"), (2, b"\0")) if size < 66 else ((0, b""), (-1, b""))
    for zeros, sign in forms:
        body = 2 * (2 + size) + zeros
        yield Anchor(_der(0x30, body) + bytes((2, size + len(sign))) + sign, size, is_once=True)


def _der(tag: int, length: int) -> bytes:
    return bytes((tag, length)) if length < 0x80 else bytes((tag, 0x81, length))


def _other_anchors() -> Iterator[Anchor]:
    for last, size in ((0x6E, 32), (0x70, 32), (0x6F, 56), (0x71, 57)):
        yield Anchor(bytes((0x06, 0x03, 0x2B, 0x65, last, 0x03, size + 1, 0)), size)
    yield Anchor(b"ssh-ed25519\0\0\0\x20", 32)
    yield Anchor(b"sk-ssh-ed25519@openssh.com\0\0\0\x20", 32)
    for header in (b"\xa1\x23\x03\x21\0", b"\xda\x47\x0f\x01\x01\x07\x40", b"1:q33:@",
                   b"q\x01\x21\0@", b"\x97\x55\x01\x05\x01\x01\x07\x40"):  # fmt: skip
        yield Anchor(header, 32)
    yield Anchor(b"\0\x1d\0\x20", 32, is_once=True)
    yield Anchor(b"\x03\0\x1d\x20", 32, is_once=True)
    yield Anchor(b"\0\0\0\x2c\x06\x1e\0\0\0\x20", 32, is_once=True)
    for skip in (_MLKEM768_KEY, _MLKEM768_CIPHERTEXT):
        header = _X25519_MLKEM.to_bytes(2, "big") + (skip + 32).to_bytes(2, "big")
        yield Anchor(header, 32, skip, is_once=True)


#: How the names of all rules begin.
RULE = "point_"
#: Every header, by the name of its rule.
ANCHORS = {f"{RULE}{i}": a for i, a in enumerate((*_nist_anchors(), *_other_anchors()))}


def rule_source() -> str:
    """YARA rules for all headers; their names begin with ``point_``."""
    return "\n".join(
        f"rule {name} {{ strings: $a = {{ {anchor.header.hex(' ')} }} condition: $a }}"
        for name, anchor in ANCHORS.items()
    )


class Points:
    """The public halves that are known, each as the bytes that name it."""

    def __init__(self) -> None:
        self._lasting: set[bytes] = set()
        self._once: set[bytes] = set()
        self.is_full = False

    def __contains__(self, public: bytes) -> bool:
        return public in self._lasting or public in self._once

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._lasting | self._once)

    def __len__(self) -> int:
        return len(self._lasting | self._once)

    def is_ephemeral(self, public: bytes) -> bool:
        """Whether it was announced as a key share or by a signature, and nowhere else."""
        return public in self._once and public not in self._lasting

    def match(self, rule: str, start: int, data: bytes) -> None:
        """Take what stands behind the header at ``start`` of ``data``."""
        anchor = ANCHORS[rule]
        first = start + len(anchor.header) + anchor.skip
        public = data[first : first + anchor.size]
        if len(public) == anchor.size:
            self._add(public, self._once if anchor.is_once else self._lasting)

    def add(self, publics: Iterable[bytes]) -> None:
        """Remember public halves of keys that stay."""
        for public in publics:
            self._add(public, self._lasting)

    def _add(self, public: bytes, pool: set[bytes]) -> None:
        if len(self._lasting) + len(self._once) < _MOST or public in self:
            pool.add(public)
        else:
            self.is_full = True
