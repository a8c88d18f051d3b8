"""Evidence of secrets without a public half: symmetric keys and the credentials of a bearer.

Rules enforced here:

1. A secret of 128 bits or more is known by the SHA-256 of its bytes, as anybody can compute it.
"""

from __future__ import annotations

import hashlib

from lockgate.scan.evidence import Evidence
from lockgate.scan.report import FindingClass, FindingKind, Proof

#: Secrets of fewer bits could be guessed from a plain hash.
LEAST_BITS = 128


def symmetric_key(
    name: str,
    algorithm: str,
    secret: bytes,
    length: int,
    *,
    proof: tuple[Proof, ...] = (Proof.SECRET_IN_STRUCTURE,),
    class_: FindingClass = FindingClass.PRIVATE,
) -> Evidence:
    """Evidence of a symmetric key of at least 128 bits that begins at offset 0."""
    return Evidence(
        format=name,
        kind=FindingKind.SYMMETRIC_KEY,
        class_=class_,
        algorithm=algorithm,
        bits=8 * len(secret),
        fingerprint=f"sha256:{hashlib.sha256(secret).hexdigest()}",
        offset=0,
        length=length,
        proof=proof,
    )


def credential(
    name: str,
    algorithm: str,
    secret: bytes,
    bits: int,
    span: tuple[int, int],
    proof: tuple[Proof, ...] = (Proof.TOKEN_STRUCTURE,),
    *,
    class_: FindingClass = FindingClass.CREDENTIAL,
) -> Evidence:
    """Evidence of a token; ``secret`` is its text, ``bits`` what in it is random."""
    return Evidence(
        format=name,
        kind=FindingKind.CREDENTIAL,
        class_=class_,
        algorithm=algorithm,
        bits=bits,
        fingerprint=f"sha256:{hashlib.sha256(secret).hexdigest()}",
        offset=span[0],
        length=span[1],
        proof=proof,
    )
