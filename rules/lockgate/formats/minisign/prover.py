"""Settle secret keys of minisign and signify by their sizes, checksums and derived public key.

Layouts: minisign(1), "SECRET KEY FORMAT": algorithm ``Ed``, derivation ``Sc`` or zeros,
checksum ``B2``, salt 32, limits 16, then sealed or clear: key number 8, seed and public key 64,
BLAKE2b-256 over algorithm, number and keys. signify(1): ``Ed``, ``BK``, rounds, salt 16,
checksum 8 (of SHA-512 over the clear key), key number 8, seed and public key 64.

Rules enforced here:

1. A clear key is proven when its seed derives the public key beside it.
2. A sealed key shows nothing of its public half.
"""

from __future__ import annotations

import hashlib
import re

from lockgate.formats.numbers import ed_private
from lockgate.formats.plain_text import decode_base64, text_around
from lockgate.formats.rule_format import looks_random, placed, private_key, sealed_key
from lockgate.scan.evidence import Candidate, Judgement, Proven, Refuted, Undecided
from lockgate.scan.report import Proof

NAME = "minisign"

_MINISIGN_BYTES, _SIGNIFY_BYTES = 158, 104
_BODY = re.compile(rb"[A-Za-z0-9+/]{40,212}={0,2}")
_SEED = 32
_NUMBER = 8


def settle(candidate: Candidate) -> Judgement:
    """Settle a match of the rule, which begins at the base64 text."""
    text = text_around(candidate, 0, 240)
    body = _BODY.match(text.data)
    data = decode_base64(body[0]) if body else None
    if body is None or data is None:
        return Refuted("no base64 of a key")
    return placed(judge(data), NAME, *text.span(0, body.end()))


def judge(data: bytes) -> Judgement:
    """Settle the decoded key."""
    if data[2:4] == b"BK":
        return _signify(data)
    if len(data) != _MINISIGN_BYTES:
        return _cut(data[54:])
    sealed, clear = data[2:4] == b"Sc", data[54:]
    if sealed:
        return _sealed(data, clear)
    digest = hashlib.blake2b(data[:2] + clear[: _NUMBER + 64], digest_size=32).digest()
    return _clear(clear[_NUMBER : _NUMBER + 64], agrees=digest == clear[_NUMBER + 64 :])


def _signify(data: bytes) -> Judgement:
    if len(data) != _SIGNIFY_BYTES:
        return _cut(data[40:])
    key = data[40:]
    if data[4:8] != bytes(4):
        return _sealed(data, key)
    return _clear(key, agrees=hashlib.sha512(key).digest()[:8] == data[24:32])


def _cut(secret: bytes) -> Judgement:
    if len(secret) >= _SEED // 2 and looks_random(secret):
        return Undecided("a minisign or signify key that is cut", 0, 0)
    return Refuted("no secret key of this size")


def _sealed(data: bytes, secret: bytes) -> Judgement:
    if not looks_random(secret):
        return Refuted("nothing sealed")
    digest = hashlib.sha256(data).hexdigest()
    return Proven((sealed_key(NAME, "Ed25519", 256, f"blob-sha256:{digest}", 0),))


def _clear(key: bytes, *, agrees: bool) -> Judgement:
    shown = ed_private("Ed25519", key[:_SEED], key[_SEED:])
    if shown is None:
        return _cut(key)
    proof = (*shown.proof, Proof.CHECKSUM) if agrees else shown.proof
    return Proven((private_key(NAME, "Ed25519", 256, shown.fingerprint, 0, proof),))
