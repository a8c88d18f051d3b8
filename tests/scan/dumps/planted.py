"""The memory that the tests of dump formats hide: two keys of ours, at known offsets."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.scan.search.number_forms import ordinary_rsa_key

PAGE = 4096
#: Pages of the memory, and where numbers and text stand in it (bytes).
PAGES = 48
PRIME_AT, OTHER_PRIME_AT, MODULUS_AT, PEM_AT = PAGE + 0x100, 5 * PAGE + 0x218, 9 * PAGE, 20 * PAGE


@dataclass(frozen=True, slots=True)
class Planted:
    """Memory with one RSA key as bare limbs and another as PEM text, and their fingerprints."""

    memory: bytes = field(repr=False)
    limbs: str
    text: str


def fingerprint(key: rsa.RSAPrivateKey) -> str:
    """The fingerprint of the key's public half."""
    form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return "sha256:" + hashlib.sha256(key.public_key().public_bytes(*form)).hexdigest()


def plant() -> Planted:
    """Fresh keys, and memory that holds them among small words and zero pages."""
    limbs, text = ordinary_rsa_key(), rsa.generate_private_key(65537, 2048)
    numbers = limbs.private_numbers()
    pem = text.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    memory = bytearray(PAGES * PAGE)
    words = random.Random(4)
    for at in range(0, PAGE // 2, 8):
        memory[at : at + 8] = words.randrange(1, 1 << 32).to_bytes(8, "little")
    for at, content in (
        (PRIME_AT, numbers.p.to_bytes(128, "little")),
        (OTHER_PRIME_AT, numbers.q.to_bytes(128, "little")),
        (MODULUS_AT, numbers.public_numbers.n.to_bytes(256, "little")),
        (PEM_AT, pem),
    ):
        memory[at : at + len(content)] = content
    return Planted(bytes(memory), fingerprint(limbs), fingerprint(text))
