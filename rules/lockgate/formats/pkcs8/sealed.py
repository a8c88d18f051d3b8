"""EncryptedPrivateKeyInfo (RFC 5958, section 3): a sealed key, found by its structure.

Rules enforced here:

1. Nothing is decrypted; the structure must parse to its end and hold random-looking bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from lockgate.formats.rule_format import looks_random, sealed_key
from lockgate.scan.evidence import Judgement, Proven, Refuted, Undecided
from lockgate.scan.prove import der

NAME = "pkcs8"

_PASSWORD_BASED = (
    bytes.fromhex("06092a864886f70d0105"),  # PKCS #5: PBES1 and PBES2
    bytes.fromhex("060a2a864886f70d010c01"),  # PKCS #12
)
_SMALLEST_KEY = 32


def judge(
    data: bytes, outer: der.Element, parts: Sequence[der.Element], *, anchored: bool
) -> Judgement:
    """Settle the structure ``outer`` at the first byte, with its elements ``parts``."""
    if not data[parts[0].body : parts[0].end].startswith(_PASSWORD_BASED):
        return Refuted("no password-based encryption")
    sealed = der.content(data, parts[1])
    if len(sealed) < _SMALLEST_KEY or not looks_random(sealed):
        return Refuted("no encrypted key")
    if outer.cut or parts[1].cut:
        if anchored:
            return Undecided("a sealed private key that is cut", 0, len(data))
        return Refuted("a sealed private key that is cut")
    if parts[1].end != outer.end:
        return Refuted("more than algorithm and ciphertext")
    digest = hashlib.sha256(data[: outer.end]).hexdigest()
    return Proven((sealed_key(NAME, "", 0, f"blob-sha256:{digest}", outer.end),))
