"""Settle openssh-key-v1 (OpenSSH, PROTOCOL.key): clear keys and sealed ones.

Rules enforced here:

1. A clear key is proven by its numbers; agreeing check integers are proof beside it.
2. A sealed key is known by the public blob that stands before it in clear.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from lockgate.formats.rule_format import looks_random, moved, private_key, sealed_key
from lockgate.scan.evidence import Candidate, Evidence, Judgement, Proven, Refuted, Undecided
from lockgate.scan.prove.ssh_fields import Fields
from lockgate.scan.prove.ssh_keys import PRIVATE, ShownKey, read_public
from lockgate.scan.report import Proof

NAME = "openssh"
MAGIC = b"openssh-key-v1\0"

_MOST_KEYS = 16
_LONGEST_NAME = 64
_SMALLEST_SECTION = 16
_SECURITY_KEY = b"sk-"


@dataclass(frozen=True, slots=True)
class _Container:
    """The outer structure; ``section`` is the private part, clear or sealed."""

    cipher: bytes
    publics: tuple[bytes, ...]
    section: bytes = field(repr=False)
    length: int
    cut: bool


def settle(candidate: Candidate) -> Judgement:
    """Settle a match of the rule, which begins at the magic."""
    judgement = judge(candidate.window[candidate.match :])
    return moved(judgement, candidate.window_offset + candidate.match)


def judge(data: bytes) -> Judgement:
    """Settle a structure that begins at the first byte."""
    if not data.startswith(MAGIC):
        return Refuted("no openssh-key-v1")
    container = _take_apart(data)
    if container is None:
        return Refuted("not the fields of openssh-key-v1")
    if container.cipher == b"none":
        return _settle_clear(container)
    return _settle_sealed(container)


def _take_apart(data: bytes) -> _Container | None:
    fields = Fields(data, len(MAGIC))
    cipher, kdf, _ = fields.string(), fields.string(), fields.string()
    count = fields.number()
    if fields.cut() or not cipher.isascii() or max(len(cipher), len(kdf)) > _LONGEST_NAME:
        return None
    if not 1 <= count <= _MOST_KEYS or (cipher == b"none") != (kdf == b"none"):
        return None
    publics = tuple(fields.string() for _ in range(count))
    if fields.cut():
        return None
    section = fields.string()
    return _Container(cipher, publics, section, min(fields.at, len(data)), fields.cut())


def _settle_sealed(container: _Container) -> Judgement:
    if len(container.section) < _SMALLEST_SECTION or not looks_random(container.section):
        return Refuted("no sealed keys")
    if container.cut:
        return Undecided("a sealed openssh key that is cut", 0, container.length)
    return Proven(tuple(_sealed_evidence(container, blob) for blob in container.publics))


def _sealed_evidence(container: _Container, blob: bytes) -> Evidence:
    shown = read_public(blob)
    if shown is None:
        digest = hashlib.sha256(container.section).hexdigest()
        return sealed_key(NAME, "", 0, f"blob-sha256:{digest}", container.length)
    return sealed_key(NAME, shown.algorithm, shown.bits, shown.fingerprint, container.length)


def _settle_clear(container: _Container) -> Judgement:
    fields = Fields(container.section)
    agree = fields.number() == fields.number() and not fields.cut()
    found: list[Evidence] = []
    for blob in container.publics:
        key_type = fields.string()
        if key_type.startswith(_SECURITY_KEY):
            break
        shown = _read_key(key_type, fields)
        if shown is None:
            break
        found.append(_evidence(container, shown, check=agree and read_public(blob) is not None))
        fields.string()  # the comment
        if fields.cut():
            break
    if found:
        return Proven(tuple(found))
    return _unproven(container, agree=agree)


def _read_key(key_type: bytes, fields: Fields) -> ShownKey | None:
    read = PRIVATE.get(key_type)
    return None if read is None else read(fields)


def _evidence(container: _Container, shown: ShownKey, *, check: bool) -> Evidence:
    proof = (*shown.proof, Proof.CHECK_INTEGERS) if check else shown.proof
    return private_key(
        NAME, shown.algorithm, shown.bits, shown.fingerprint, container.length, proof
    )


def _unproven(container: _Container, *, agree: bool) -> Judgement:
    """Nothing proven: a token's handle, a key of another type, a cut or damaged key, or none."""
    section = container.section
    key_type = Fields(section, 8).string()
    if key_type.startswith(_SECURITY_KEY) and not container.cut:
        return Refuted("the private half is in a security key")
    private_part = section[_SMALLEST_SECTION + len(container.publics[0]) :]
    if private_part.strip(b"\0") and (
        agree or key_type in PRIVATE or read_public(container.publics[0])
    ):
        return Undecided("a cut or damaged openssh key", 0, container.length)
    return Refuted("no private key in the section")
