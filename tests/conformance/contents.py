"""What is in the files of the suite, and how a leak is seen.

Rules enforced here:

1. Every attempt has content of its own, so that nothing known of one answers for another.
2. Any run of 16 bytes of a content's marker, wherever it turns up, is that content.
3. Keys are made when they are needed and belong to nobody.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

RUN_BYTES = 16
_SIZE = 8192  # two pages, so that O_DIRECT reads it whole
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_SHEBANG = b"#!/bin/cat\n"  # a script that prints itself, for the ways that execute it


@dataclass(frozen=True, slots=True)
class Content:
    """A file's bytes; ``marker`` stands in them in many places, in no other file."""

    body: bytes
    marker: bytes

    def shown_in(self, got: bytes) -> bool:
        """Whether ``got`` holds any 16 bytes of the marker."""
        runs = range(len(self.marker) - RUN_BYTES + 1)
        return any(self.marker[at : at + RUN_BYTES] in got for at in runs)


def clean() -> Content:
    """An ordinary text."""
    marker = _marker()
    return Content(_filled(_SHEBANG, marker), marker)


def dirty() -> Content:
    """The same kind of text with a private key in its middle."""
    marker = _marker()
    half = _filled(_SHEBANG, marker)[: _SIZE // 2]
    return Content(_filled(half + b"\n" + _private_key() + b"\n", marker), marker)


def _marker() -> bytes:
    return "".join(secrets.choice(_LETTERS) for _ in range(40)).encode()


def _filled(start: bytes, marker: bytes) -> bytes:
    line = b"an ordinary line, and then " + marker + b"\n"
    return (start + line * (_SIZE // len(line) + 1))[: _SIZE - 1] + b"\n"


def _private_key() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
