"""Join tokens: what a host without an identity shows once to get one.

Rules enforced here:

1. A token is ``lg1.<SHA-256 of the CA certificate>.<secret>``: the agent compares the first
   part with the CA the server shows before it sends anything.
2. The store keeps the SHA-256 of the secret only; the secret has 256 random bits, so that a
   plain hash is as good as a slow one.
3. A token works once, until it expires, and for its host if it names one.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field

_TOKEN = re.compile(r"lg1\.([0-9a-f]{64})\.([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class JoinToken:
    """A join token in its parts."""

    ca_sha256: str
    secret: str = field(repr=False)

    @property
    def secret_sha256(self) -> str:
        """Under what the store knows it."""
        return hashlib.sha256(self.secret.encode("ascii")).hexdigest()

    def text(self) -> str:
        """The token as it is handed to a host."""
        return f"lg1.{self.ca_sha256}.{self.secret}"


def new(ca_sha256: str) -> JoinToken:
    """A fresh token for the CA."""
    return JoinToken(ca_sha256, secrets.token_urlsafe(32))


def parse(text: str) -> JoinToken | None:
    """The token in ``text``; None when it is not one."""
    match = _TOKEN.fullmatch(text)
    return JoinToken(match[1], match[2]) if match else None
