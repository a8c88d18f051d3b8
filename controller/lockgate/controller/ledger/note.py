"""Signed checkpoints: C2SP tlog-checkpoint text in a C2SP signed-note with Ed25519.

The text is origin, size and base64 root, one per line; then an empty line, and a signature
line ``— <name> <base64 of key id and signature>``. The key id is the first four bytes of
SHA-256 over name, a line feed, the byte 0x01 and the public key.
"""

from __future__ import annotations

import base64
import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def sign_checkpoint(key: Ed25519PrivateKey, origin: str, size: int, root: bytes) -> str:
    """The checkpoint of a tree. ``origin`` names the ledger and its key; it has no blank."""
    text = f"{origin}\n{size}\n{base64.b64encode(root).decode('ascii')}\n"
    public = key.public_key().public_bytes_raw()
    key_id = hashlib.sha256(origin.encode() + b"\n\x01" + public).digest()[:4]
    signature = base64.b64encode(key_id + key.sign(text.encode())).decode("ascii")
    return f"{text}\n\u2014 {origin} {signature}\n"
