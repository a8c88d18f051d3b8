"""DSSE envelopes (v1) with Ed25519: signed JSON that stock tools can verify.

Rules enforced here:

1. The signature is over the pre-authentication encoding, which holds the payload's type: what was
   signed as one thing cannot pass for another.
2. Opening is total: whatever is not an envelope signed by this key is an :class:`EnvelopeError`.
   It costs a bounded number of signature checks.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_spelled = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode

#: The longest envelope that is looked at.
LONGEST = 4 * 1024 * 1024
#: Signatures that are tried: ours, and those of a few others.
MOST_SIGNATURES = 16


class EnvelopeError(Exception):
    """Not an envelope, of another type, or not signed by this key."""


def sign(payload_type: str, statement: Mapping[str, Any], key: Ed25519PrivateKey) -> bytes:
    """The envelope of a statement, as JSON."""
    payload = _json(statement)
    signature = {
        "keyid": _key_id(key),
        "sig": _base64(key.sign(_encoding(payload_type, payload))),
    }
    return _json(
        {"payloadType": payload_type, "payload": _base64(payload), "signatures": [signature]}
    )


def opened(payload_type: str, envelope: bytes, key: Ed25519PublicKey) -> bytes:
    """The payload of an envelope that ``key`` signed.

    Raises:
        EnvelopeError: see there.
    """
    if len(envelope) > LONGEST:
        raise EnvelopeError("not a DSSE envelope: too long")
    try:
        outer = json.loads(envelope)
        payload = base64.b64decode(outer["payload"], validate=True)
        signatures = [base64.b64decode(s["sig"], validate=True) for s in outer["signatures"]]
        typed = outer["payloadType"] == payload_type and len(signatures) <= MOST_SIGNATURES
    except (ValueError, KeyError, TypeError, RecursionError):
        raise EnvelopeError("not a DSSE envelope") from None
    signed = _encoding(payload_type, payload)
    if not typed or not any(_verifies(key, signature, signed) for signature in signatures):
        raise EnvelopeError("not signed by this key")
    return payload


def _verifies(key: Ed25519PublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        key.verify(signature, signed)
    except InvalidSignature:
        return False
    return True


def _encoding(payload_type: str, payload: bytes) -> bytes:
    """The pre-authentication encoding of DSSE v1."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


@lru_cache(maxsize=4)  # whoever signs does so with one key, and often
def _key_id(key: Ed25519PrivateKey) -> str:
    return hashlib.sha256(key.public_key().public_bytes_raw()).hexdigest()


def _json(value: Mapping[str, Any]) -> bytes:
    return _spelled(value).encode("ascii")


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
