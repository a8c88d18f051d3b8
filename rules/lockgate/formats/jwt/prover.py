"""Settle JSON Web Tokens (RFC 7515, 7518, 7519).

Rules enforced here:

1. Header and payload must be JSON objects, the header with an algorithm, and the signature of
   the length that the algorithm gives it (RFC 7518, section 3.1; RFC 8037).
2. A token without signature lets nobody in. One that says of itself that its time is over
   (``exp``) is of class ``session``: shown, and no reason to block.
"""

from __future__ import annotations

import json
import re
import time
from typing import Any

import numpy as np

from lockgate.formats.opaque import credential
from lockgate.formats.plain_text import decode_base64, text_around
from lockgate.formats.rule_format import looks_random
from lockgate.scan.evidence import Candidate, Judgement, Proven, Refuted, Unfolded
from lockgate.scan.report import FindingClass
from lockgate.scan.text.characters import Characters

NAME = "jwt"
#: Characters of the longest header.
BEFORE = 8 << 10

_AFTER = 16 << 10
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_REST = re.compile(rb"\.([0-9A-Za-z_-]+)\.([0-9A-Za-z_-]{20,})")
_BASE64 = re.compile(rb"[0-9A-Za-z+/]{60,20000}={0,2}")
_HEADER_STARTS = re.compile(rb"eyJ|ewo|eyA")
_MOST_STARTS = 8
#: Bytes of a signature; RSA signatures are as long as the modulus.
_SIGNATURES = {
    "HS256": {32}, "HS384": {48}, "HS512": {64}, "ES256": {64}, "ES384": {96}, "ES512": {132},
    "ES256K": {64}, "EdDSA": {64, 114}, "Ed25519": {64}, "Ed448": {114},
    "ML-DSA-44": {2420}, "ML-DSA-65": {3309}, "ML-DSA-87": {4627},
}  # fmt: skip
_RSA_SIGNATURES = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
_MOST_RSA_BYTES = 2048


def settle(candidate: Candidate) -> Judgement:
    """Settle a match: the dot before the payload, or the first byte of a token in base64."""
    if candidate.rule == "jwt_encoded":
        return _unfold(text_around(candidate, 0, _AFTER))
    text = text_around(candidate, BEFORE, _AFTER)
    rest = _REST.match(text.data, text.index)
    if rest is None:
        return Refuted("no payload and signature")
    run = len(text.data[: text.index].rstrip(_ALPHABET))
    for start in list(_HEADER_STARTS.finditer(text.data, run, text.index))[:_MOST_STARTS]:
        header = _object(text.data[start.start() : text.index])
        if header is not None and isinstance(header.get("alg"), str):
            whole = text.data[start.start() : rest.end()]
            return _judge(header, rest, whole, text.span(start.start(), rest.end()))
    return Refuted("no header")


def _unfold(text: Characters) -> Judgement:
    body = _BASE64.match(text.data)
    encoded = body[0].rstrip(b"=") if body else b""
    encoded = encoded[: len(encoded) - (len(encoded) % 4 == 1)]
    data = decode_base64(encoded)
    if not data:
        return Refuted("no base64 of a token")
    at = text.origin + np.arange(len(data) + 1, dtype=np.int64) * 4 // 3 * text.width
    at[-1] = text.origin + len(encoded) * text.width
    return Unfolded("base64", data, at, len(data))


def _object(text: bytes) -> dict[str, Any] | None:
    """The JSON object in base64url; None when there is none."""
    try:
        found = json.loads(decode_base64(text) or b"")
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _judge(
    header: dict[str, Any], rest: re.Match[bytes], whole: bytes, span: tuple[int, int]
) -> Judgement:
    payload, algorithm = _object(rest[1]), str(header["alg"])
    signature = decode_base64(rest[2]) or b""
    if not payload:
        return Refuted("no claims")
    if not _is_signature(algorithm, len(signature)) or not looks_random(signature):
        return Refuted("no signature of the algorithm's length")
    evidence = credential(
        NAME, _name(algorithm, payload), whole, 8 * len(signature), span,
        class_=FindingClass.SESSION if _is_over(payload) else FindingClass.CREDENTIAL,
    )  # fmt: skip
    return Proven((evidence,))


def _is_signature(algorithm: str, length: int) -> bool:
    if algorithm in _RSA_SIGNATURES:
        return 64 <= length <= _MOST_RSA_BYTES
    return length in _SIGNATURES.get(algorithm, ())


def _is_over(payload: dict[str, Any]) -> bool:
    expiry = payload.get("exp")
    return isinstance(expiry, int | float) and expiry < time.time()


def _name(algorithm: str, payload: dict[str, Any]) -> str:
    issuer = payload.get("iss")
    if issuer == "kubernetes/serviceaccount" or "kubernetes.io" in payload:
        return f"Kubernetes service account token {algorithm}"
    return f"JWT {algorithm}"
