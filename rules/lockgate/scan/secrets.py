"""Symmetric secrets in the registry: known by a fingerprint, looked for by an anchor.

Rules enforced here:

1. The registry holds no secret and gives none away. A secret of at least 128 random bits is
   known by its SHA-256, which nobody can invert, and by the anchor: its length and 24 bits that
   a fixed map takes from its first eight bytes. That leaves more than 100 bits to guess.
2. A weaker secret (text, short, or plainly not random) has neither: both could be guessed at
   home. It is known by an HMAC under the site's salt only, and so is recognised where a format
   finds it, but not looked for.
3. That bytes are random cannot be seen in their text. Text is a weak secret unless whoever
   registers it says what encoding of random bytes it is.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from enum import StrEnum

from lockgate.scan.protected import Anchor, ProtectedKey
from lockgate.scan.salt import Salt

#: Bits of an anchor's tag, taken from so many first bytes.
TAG_BITS, TAG_BYTES = 24, 8
#: The map: the top bits of a product, on which every bit of the factor has a part.
MULTIPLIER = 0x9E3779B97F4A7C15
#: Bytes of a secret that is looked for.
LEAST_BYTES, MOST_BYTES = 16, 4096
#: What algorithm a registered secret without one is said to be of.
ALGORITHM = "secret"

_ALL = (1 << 64) - 1


class SecretError(ValueError):
    """The bytes cannot be registered; the text gives nothing of them away."""


class Encoding(StrEnum):
    """What the file with a secret holds."""

    RAW = "raw"
    HEX = "hex"
    BASE64 = "base64"


def tag_of(secret: bytes) -> int:
    """The tag of a secret, of its first eight bytes alone."""
    first = int.from_bytes(secret[:TAG_BYTES], "little")
    return (first * MULTIPLIER & _ALL) >> 64 - TAG_BITS


def fingerprint(secret: bytes) -> str:
    """The fingerprint of a symmetric key of at least 128 bits."""
    return f"sha256:{hashlib.sha256(secret).hexdigest()}"


def decode(content: bytes, encoding: Encoding) -> bytes:
    """The secret in the content of a file.

    Raises:
        SecretError: it is not what ``encoding`` says.
    """
    text = content.strip()
    try:
        if encoding is Encoding.HEX:
            return bytes.fromhex(text.decode("ascii"))
        if encoding is Encoding.BASE64:
            padded = text.translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
            return base64.b64decode(padded + b"=" * (-len(padded) % 4), validate=True)
    except (ValueError, binascii.Error):
        raise SecretError(f"not {encoding}") from None
    return content if is_strong(content) else content.rstrip(b"\r\n")


def protected_secret(name: str, secret: bytes, salt: Salt | None) -> ProtectedKey:
    """The entry for a secret.

    Raises:
        SecretError: it is too long, or empty, or weak and there is no salt.
    """
    if not 0 < len(secret) <= MOST_BYTES:
        raise SecretError(f"a secret has between 1 and {MOST_BYTES} bytes")
    bits = 8 * len(secret)
    if is_strong(secret):
        anchor = Anchor(len(secret), tag_of(secret))
        return ProtectedKey(name, fingerprint(secret), ALGORITHM, bits, anchor=anchor)
    if salt is None:
        raise SecretError(
            "text, or less than 16 random bytes: name a salt file, or its encoding if it has one"
        )
    return ProtectedKey(name, salt.fingerprint(secret), ALGORITHM, bits)


def is_strong(secret: bytes) -> bool:
    """Whether the bytes may be random, and are at least 16.

    Of n random bytes 256 * (1 - (255/256)**n) are distinct on average; less than two thirds of
    that is a pattern. Printable bytes only are text; so are two of
    10**7 strings of 16 random bytes.
    """
    distinct = 256 * (1 - (255 / 256) ** len(secret))
    is_text = all(0x20 <= byte < 0x7F or byte in b"\t\r\n" for byte in secret)
    return len(secret) >= LEAST_BYTES and len(set(secret)) >= distinct * 0.65 and not is_text
