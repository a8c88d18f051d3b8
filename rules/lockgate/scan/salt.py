"""The site salt: what keeps fingerprints of weak secrets from being guessed.

Rules enforced here:

1. A salt is a file of at least 32 bytes, made at random by whoever runs the site, and never
   shown: reports name it by an identity that gives nothing of it away.
2. A salt that cannot be read is an error, never a scan without one.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from pathlib import Path

#: What a report names when there is no site salt.
EPHEMERAL = "ephemeral"
_LEAST_BYTES = 32
_MOST_BYTES = 4096


class SaltError(Exception):
    """The file is no site salt; the text names the file only."""


@dataclass(frozen=True, slots=True)
class Salt:
    """A site salt. ``repr`` does not show it."""

    secret: bytes = field(repr=False)

    @property
    def identity(self) -> str:
        """What reports call it."""
        return self.fingerprint(b"lockgate salt")

    def fingerprint(self, secret: bytes) -> str:
        """The fingerprint of a secret of less than 128 random bits."""
        return "hmac-sha256:" + hmac.digest(self.secret, secret, hashlib.sha256).hex()


def read_salt(path: Path) -> Salt:
    """The salt in a file.

    Raises:
        SaltError: there are too few or too many bytes in it.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        secret = file.read(_MOST_BYTES + 1)
    if not _LEAST_BYTES <= len(secret) <= _MOST_BYTES:
        raise SaltError(f"{path}: a salt has between {_LEAST_BYTES} and {_MOST_BYTES} bytes")
    return Salt(secret)
