"""The passwords that sealed stores are tried with: those that tools and vendors set by default.

Rules enforced here:

1. The list is short and public; what opens by it was never sealed for anybody.
2. Trying is bounded: a structure that asks for more work than ``MOST_ROUNDS``, or for the memory
   of scrypt (RFC 7914), is not tried.
"""

from __future__ import annotations

from cryptography.hazmat.primitives import serialization

from lockgate.scan.prove import der

#: None at all, Java's keytool and cacerts, many manuals, Google Cloud's P12 files.
DEFAULTS = ("", "changeit", "changeme", "password", "notasecret")
#: Rounds of a derivation function that one try may take.
MOST_ROUNDS = 250_000


_SCRYPT = bytes.fromhex("06092b06010401da47040b")


def open_pkcs8(sealed: bytes) -> bytes | None:
    """The PrivateKeyInfo in an EncryptedPrivateKeyInfo that a default password opens."""
    if _rounds(sealed) > MOST_ROUNDS or _SCRYPT in sealed:
        return None
    for password in DEFAULTS:
        try:
            key = serialization.load_der_private_key(sealed, password.encode())
            return key.private_bytes(
                serialization.Encoding.DER,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        except Exception:  # noqa: BLE001, S112 - a wrong password fails in many ways
            continue
    return None


def _rounds(sealed: bytes) -> int:
    """The largest number in the parameters of the encryption."""
    outer = der.read(sealed, 0)
    algorithm = None if outer is None else der.read(sealed, outer.body, outer.end)
    if algorithm is None:
        return MOST_ROUNDS + 1
    largest, waiting = 0, [algorithm]
    while waiting:
        element = waiting.pop()
        if element.tag == der.INTEGER:
            largest = max(largest, der.unsigned(sealed, element))
        elif element.tag == der.SEQUENCE:
            waiting += der.children(sealed, element)
    return largest
