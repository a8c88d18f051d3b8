"""Settle PuTTY key files (PuTTY manual, appendix C, "PPK file format").

Rules enforced here:

1. A clear key is proven by arithmetic between its private and its public lines; an agreeing
   Private-MAC is proof beside it.
2. A sealed key is known by its public lines, which stand in clear.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from lockgate.formats import numbers
from lockgate.formats.plain_text import decode_base64, text_around, unescaped
from lockgate.formats.rule_format import looks_random, placed, private_key, sealed_key
from lockgate.scan.evidence import Candidate, Judgement, Proven, Refuted, Undecided
from lockgate.scan.prove import ec, edwards, rsa
from lockgate.scan.prove.ssh_fields import Fields
from lockgate.scan.prove.ssh_keys import ShownKey, read_public
from lockgate.scan.report import Proof

NAME = "putty"

_HEAD = re.compile(rb"PuTTY-User-Key-File-([123]):\s*([a-z0-9@.-]{5,40})")
_HEADER = re.compile(rb"\s*(Encryption|Comment|Public-Lines|Private-Lines|Private-MAC):[ \t]*(.*)")
_BODY_LINE = re.compile(rb"\s*([A-Za-z0-9+/]{1,64}={0,2})\s*$")
_LONGEST = 24 << 10
_MOST_LINES = 400
_LEAST_SECRET = 16
#: Lines of other kinds: the rest of the first one, the derivation of a sealing key.
_MOST_OTHERS = 10
_MAC_PREFIX = b"putty-private-key-file-mac-key"


@dataclass(frozen=True, slots=True)
class _File:
    """The parts of a key file; ``stop`` is where its last known line ends in the text."""

    version: int
    algorithm: bytes
    headers: dict[bytes, bytes]
    public: bytes
    private: bytes = field(repr=False)
    stop: int

    @property
    def is_clear(self) -> bool:
        """Whether the private lines are not encrypted."""
        return self.headers.get(b"Encryption") == b"none"


def settle(candidate: Candidate) -> Judgement:
    """Settle a match of the rule, which begins at the first line."""
    text = text_around(candidate, 0, _LONGEST)
    file = _take_apart(unescaped(text.data))
    if file is None:
        return Refuted("no lines of a key file")
    return placed(_judge(file), NAME, *text.span(0, file.stop))


def _take_apart(text: bytes) -> _File | None:
    head = _HEAD.match(text)
    if head is None:
        return None
    headers: dict[bytes, bytes] = {}
    bodies: dict[bytes, list[bytes]] = {b"Public-Lines": [], b"Private-Lines": []}
    body: list[bytes] = []
    at = stop = head.end()
    others = 0
    for raw in text[at:].split(b"\n", _MOST_LINES)[:_MOST_LINES]:
        line = raw.rstrip(b"\r \"',")
        if header := _HEADER.match(line):
            headers[header[1]] = header[2].strip()
            body = bodies.get(header[1], [])
            stop = at + len(line)
        elif (chunk := _BODY_LINE.match(line)) and at > head.end():
            body.append(chunk[1])
            stop = at + len(line)
        else:
            others += 1
        at += len(raw) + 1
        if b"Private-MAC" in headers or others > _MOST_OTHERS:
            break
    public, private = (decode_base64(b"".join(lines)) or b"" for lines in bodies.values())
    return _File(int(head[1]), head[2], headers, public, private, stop)


def _judge(file: _File) -> Judgement:
    shown = read_public(file.public)
    if shown is None or b"Private-Lines" not in file.headers:
        return Refuted("no public lines of a known algorithm")
    if not file.is_clear:
        return _sealed(file, shown)
    read = _PRIVATE.get(file.algorithm)
    key = read(Fields(file.public), Fields(file.private)) if read else None
    if key is None:
        if len(file.private) < _LEAST_SECRET:
            return Refuted("no private lines")
        return Undecided("a PuTTY key that is cut, damaged or of an unknown type", 0, 0)
    proof = (*key.proof, Proof.CHECKSUM) if _mac_agrees(file) else key.proof
    return Proven((private_key(NAME, key.algorithm, key.bits, key.fingerprint, 0, proof),))


def _sealed(file: _File, shown: ShownKey) -> Judgement:
    if len(file.private) < _LEAST_SECRET or not looks_random(file.private):
        return Refuted("no sealed lines")
    if b"Private-MAC" not in file.headers:
        return Undecided("a sealed PuTTY key that is cut", 0, 0)
    return Proven((sealed_key(NAME, shown.algorithm, shown.bits, shown.fingerprint, 0),))


def _mac_agrees(file: _File) -> bool:
    parts = (
        file.algorithm, file.headers[b"Encryption"], file.headers.get(b"Comment", b""),
        file.public, file.private,
    )  # fmt: skip
    message = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    if file.version == 3:
        mac = hmac.digest(b"", message, "sha256")
    else:
        key = hashlib.sha1(_MAC_PREFIX, usedforsecurity=False).digest()
        mac = hmac.digest(key, message, "sha1")
    return mac.hex().encode() == file.headers.get(b"Private-MAC", b"").lower()


def _rsa(public: Fields, private: Fields) -> ShownKey | None:
    _, e, n = public.string(), public.integer(), public.integer()
    d, p, q, qinv = (private.integer() for _ in range(4))
    if n is None or e is None:
        return None
    return numbers.rsa_private(rsa.RsaNumbers(n, e, d, p, q, None, None, qinv))


def _dsa(public: Fields, private: Fields) -> ShownKey | None:
    public.string()
    p, q, g, y = (public.integer() for _ in range(4))
    x = private.integer()
    if p is None or q is None or g is None or y is None or x is None:
        return None
    return numbers.dsa_private(p, q, g, y, x)


def _ec(curve: ec.Curve) -> Callable[[Fields, Fields], ShownKey | None]:
    def read(public: Fields, private: Fields) -> ShownKey | None:
        _, _, stored = public.string(), public.string(), public.string()
        d = private.integer()
        return None if d is None else numbers.ec_private(curve, d, stored)

    return read


def _ed(name: str) -> Callable[[Fields, Fields], ShownKey | None]:
    def read(public: Fields, private: Fields) -> ShownKey | None:
        _, stored, secret = public.string(), public.string(), private.string()
        if private.cut() or not secret:
            return None
        # The seed is written as a little-endian number, without its last zeros.
        seed = secret.ljust(edwards.ALGORITHMS[name].size, b"\0")
        return numbers.ed_private(name, seed, stored)

    return read


_PRIVATE: dict[bytes, Callable[[Fields, Fields], ShownKey | None]] = {
    b"ssh-rsa": _rsa,
    b"ssh-dss": _dsa,
    b"ssh-ed25519": _ed("Ed25519"),
    b"ssh-ed448": _ed("Ed448"),
    b"ecdsa-sha2-nistp256": _ec(ec.CURVES["P-256"]),
    b"ecdsa-sha2-nistp384": _ec(ec.CURVES["P-384"]),
    b"ecdsa-sha2-nistp521": _ec(ec.CURVES["P-521"]),
}
