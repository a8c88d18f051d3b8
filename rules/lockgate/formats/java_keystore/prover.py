"""Settle JKS, JCEKS and BKS: their entries, walked in order.

The layouts are those of ``sun.security.provider.JavaKeyStore``, ``com.sun.crypto.provider.
JceKeyStore`` and Bouncy Castle's ``BcKeyStoreSpi``. A key of JKS is hidden under a stream of
SHA-1 values that begins with salt and password, and ends with SHA-1 of password and key.

Rules enforced here:

1. Trusted certificates are nothing. A private key entry is a sealed key, known by the public
   key of its certificate; one that a default password opens is a private key.
2. A store that goes on with an entry that cannot be walked over is sealed as a whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from cryptography.hazmat.primitives import serialization

from lockgate.formats.passwords import DEFAULTS
from lockgate.formats.pkcs8 import prover as pkcs8
from lockgate.formats.rule_format import map_evidence, moved, placed, sealed_key
from lockgate.scan.evidence import Candidate, Evidence, Judgement, Proven, Refuted, Undecided
from lockgate.scan.prove import der
from lockgate.scan.report import Proof

NAME = "java_keystore"

_MAGICS = (b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce")
_PRIVATE, _TRUSTED = 1, 2
_SUN_PROTECTOR = bytes.fromhex("060a2b060104012a02110101")
_SALT, _DIGEST = 20, 20
_MOST_ENTRIES, _MOST_CHAIN = 4096, 32
#: Kinds of entries in a BKS store.
_BKS_END, _BKS_CERTIFICATE, _BKS_KEY, _BKS_SECRET, _BKS_SEALED = range(5)


class _OutOfBytesError(Exception):
    """The structure promises more than there is."""


@dataclass(slots=True)
class _Reader:
    """Fields in Java's order (java.io.DataOutput)."""

    data: bytes
    at: int

    def take(self, count: int) -> bytes:
        """The next bytes."""
        if self.at + count > len(self.data):
            raise _OutOfBytesError
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, size: int) -> int:
        """The next unsigned number of ``size`` bytes."""
        return int.from_bytes(self.take(size), "big")

    def text(self) -> bytes:
        """A string behind its length of two bytes."""
        return self.take(self.number(2))

    def blob(self) -> bytes:
        """Bytes behind their length of four bytes."""
        return self.take(self.number(4))

    def certificate(self, *, typed: bool) -> bytes:
        """A certificate, behind the name of its kind."""
        if typed:
            self.text()
        return self.blob()


@dataclass(frozen=True, slots=True)
class _Entry:
    """A protected key: where it stands, and the first certificate of its chain."""

    offset: int
    sealed: bytes
    certificate: bytes


def settle(candidate: Candidate) -> Judgement:
    """Settle a match of the rule, which begins at the magic."""
    start = candidate.match
    data = candidate.window[start:]
    if not data.startswith(_MAGICS):
        if not candidate.starts_member or candidate.window_offset + start:
            return Refuted("not at the start of a file")
        return _bks(data)
    return moved(judge(data), candidate.window_offset + start)


def judge(data: bytes) -> Judgement:
    """Settle a JKS or JCEKS store that begins at the first byte."""
    reader = _Reader(data, 4)
    try:
        typed, count = reader.number(4) > 1, reader.number(4)
        if count > _MOST_ENTRIES:
            return Refuted("more entries than any store")
        entries = list(_entries(reader, count, typed=typed))
    except _OutOfBytesError:
        if _PRIVATE.to_bytes(4, "big") not in data[12:16]:
            return Refuted("the entries do not fit")
        return Undecided("a keystore that is cut, or larger than is looked at", 0, len(data))
    if not entries:
        return Refuted("certificates only")
    if any(not entry.sealed for entry in entries):
        return Proven((_whole(data[: reader.at]),))
    return Proven(tuple(_evidence(entry) for entry in entries))


def _entries(reader: _Reader, count: int, *, typed: bool) -> Iterator[_Entry]:
    """The protected keys; a kind that has no length of its own ends them, with nothing sealed."""
    for _ in range(count):
        kind = reader.number(4)
        reader.text()
        reader.take(8)  # time
        if kind == _PRIVATE:
            sealed = reader.blob()
            offset = reader.at - len(sealed)
            length = min(reader.number(4), _MOST_CHAIN)
            chain = [reader.certificate(typed=typed) for _ in range(length)]
            yield _Entry(offset, sealed, chain[0] if chain else b"")
        elif kind == _TRUSTED:
            reader.certificate(typed=typed)
        else:
            yield _Entry(reader.at, b"", b"")
            return


def _evidence(entry: _Entry) -> Evidence:
    plain = _unprotected(entry.sealed)
    if plain is not None:
        judged = placed(pkcs8.judge(plain, anchored=True), NAME, entry.offset, len(entry.sealed))
        opened = map_evidence(
            judged, lambda e: replace(e, proof=(*e.proof, Proof.DEFAULT_PASSWORD))
        )
        if isinstance(opened, Proven):
            return opened.evidence[0]
    algorithm, fingerprint = _public(entry)
    sealed = sealed_key(NAME, algorithm, 0, fingerprint, len(entry.sealed))
    return replace(sealed, offset=entry.offset)


def _public(entry: _Entry) -> tuple[str, str]:
    """Algorithm and fingerprint of the certificate's key, else what the sealed bytes give."""
    from cryptography import x509  # costs a tenth of the start of a scan

    try:
        key = x509.load_der_x509_certificate(entry.certificate).public_key()
        spki = key.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    except Exception:  # noqa: BLE001 - hostile certificates raise anything
        return "", f"blob-sha256:{hashlib.sha256(entry.sealed).hexdigest()}"
    return type(key).__name__.removesuffix(
        "PublicKey"
    ), f"sha256:{hashlib.sha256(spki).hexdigest()}"


def _unprotected(sealed: bytes) -> bytes | None:
    """The PrivateKeyInfo under Sun's protector, if a default password takes it off."""
    outer = der.read(sealed, 0)
    parts = [] if outer is None else list(der.children(sealed, outer))
    if len(parts) != 2 or not sealed[parts[0].body :].startswith(_SUN_PROTECTOR):
        return None
    content = der.content(sealed, parts[1])
    salt, hidden, check = content[:_SALT], content[_SALT:-_DIGEST], content[-_DIGEST:]
    for password in DEFAULTS:
        secret = password.encode("utf-16-be")
        plain = bytes(a ^ b for a, b in zip(hidden, _stream(secret, salt), strict=False))
        if hashlib.sha1(secret + plain).digest() == check:  # noqa: S324 - the format's own
            return plain
    return None


def _stream(secret: bytes, salt: bytes) -> Iterator[int]:
    digest = salt
    while True:
        digest = hashlib.sha1(secret + digest).digest()  # noqa: S324 - the format's own
        yield from digest


def _whole(store: bytes) -> Evidence:
    return sealed_key(NAME, "", 0, f"blob-sha256:{hashlib.sha256(store).hexdigest()}", len(store))


def _bks(data: bytes) -> Judgement:
    """A BKS store: keys in the clear have rules of their own, sealed ones are told here."""
    reader = _Reader(data, 4)
    sealed: list[Evidence] = []
    try:
        reader.blob()
        reader.take(4)  # rounds of its own authentication code
        for _ in range(_MOST_ENTRIES):
            kind = reader.number(1)
            if kind == _BKS_END:
                break
            if kind > _BKS_SEALED:
                return Refuted("no kind of entry")
            sealed += _bks_entry(reader, kind)
    except _OutOfBytesError:
        return Refuted("the entries do not fit")
    return Proven(tuple(sealed)) if sealed else Refuted("nothing sealed")


def _bks_entry(reader: _Reader, kind: int) -> Iterator[Evidence]:
    reader.text()
    reader.take(8)  # time
    for _ in range(min(reader.number(4), _MOST_CHAIN)):
        reader.certificate(typed=True)
    if kind == _BKS_CERTIFICATE:
        reader.certificate(typed=True)
    elif kind == _BKS_KEY:
        reader.take(1)
        reader.text()
        reader.text()
        reader.blob()
    else:
        secret = reader.blob()
        evidence = _whole(secret)
        yield replace(evidence, offset=reader.at - len(secret))
