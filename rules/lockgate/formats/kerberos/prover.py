"""Settle keytabs and credential caches (MIT krb5, "Keytab file format", "Credential cache").

Rules enforced here:

1. Only a whole file counts, walked from its first byte to its last: nothing in the middle of a
   dump is told from noise by two bytes of version.
2. A key of a keytab lives as long as its principal's password: ``private``. The session key of
   a ticket lets whoever has the cache in, as long as the ticket lives: a credential.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from lockgate.formats.opaque import credential, symmetric_key
from lockgate.scan.evidence import Candidate, Evidence, Judgement, Proven, Refuted, Undecided
from lockgate.scan.report import Proof

NAME = "kerberos"

_KEYTAB = b"\x05\x02"
_HEADER_BYTES = 2
#: Encryption types (RFC 3961, 3962, 4757, 6803, 8009) and the bytes of their keys.
_TYPES = {
    16: ("DES3", 24),
    17: ("AES", 16),
    18: ("AES", 32),
    19: ("AES", 16),
    20: ("AES", 32),
    23: ("RC4", 16),
    25: ("Camellia", 16),
    26: ("Camellia", 32),
}
_MOST_ENTRIES = 4096


@dataclass(frozen=True, slots=True)
class _Key:
    """A key block: its type, and where its ``secret`` stands."""

    kind: int
    secret: bytes = field(repr=False)
    offset: int

    @property
    def algorithm(self) -> str:
        """The cipher; empty when type and length are of none that is known."""
        name, size = _TYPES.get(self.kind, ("", 0))
        return name if size == len(self.secret) else ""


class _OutOfBytesError(Exception):
    """The structure promises more than there is."""


class _Reader:
    """Big-endian fields of one region."""

    def __init__(self, data: bytes, at: int, stop: int) -> None:
        self._data = data
        self.at = at
        self._stop = stop

    @property
    def ended(self) -> bool:
        """Whether every byte was read."""
        return self.at >= self._stop

    def take(self, count: int) -> bytes:
        """The next bytes."""
        if count < 0 or self.at + count > self._stop:
            raise _OutOfBytesError
        self.at += count
        return self._data[self.at - count : self.at]

    def number(self, size: int) -> int:
        """The next unsigned number of ``size`` bytes."""
        return int.from_bytes(self.take(size), "big")

    def counted(self, size: int) -> bytes:
        """Bytes behind their count of ``size`` bytes."""
        return self.take(self.number(size))

    def key(self, size: int) -> _Key:
        """A key block whose length has ``size`` bytes."""
        kind = self.number(2)
        secret = self.counted(size)
        return _Key(kind, secret, self.at - len(secret))


def settle(candidate: Candidate) -> Judgement:
    """Settle a match of the rule at the first byte of a member."""
    if not candidate.starts_member or candidate.match:
        return Refuted("not at the start of a file")
    data = candidate.window
    is_keytab = data.startswith(_KEYTAB)
    walk = _keytab_keys if is_keytab else _ccache_keys
    try:
        keys = list(walk(data))
    except _OutOfBytesError:
        return _cut(candidate)
    if not keys:
        return Refuted("no keys")
    if not all(key.algorithm for key in keys):
        return Undecided("a Kerberos key of a type that is not known", 0, len(data))
    make = _long_term if is_keytab else _ticket
    return Proven(tuple(make(key) for key in keys))


def _cut(candidate: Candidate) -> Judgement:
    if candidate.ends_member:
        return Refuted("the structure does not end where the file does")
    return Undecided("a Kerberos store larger than is looked at", 0, len(candidate.window))


def _keytab_keys(data: bytes) -> Iterator[_Key]:
    file = _Reader(data, _HEADER_BYTES, len(data))
    for _ in range(_MOST_ENTRIES):
        if file.ended:
            return
        size = int.from_bytes(file.take(4), "big", signed=True)
        start = file.at
        file.take(abs(size))
        if size > 0:
            yield _keytab_key(_Reader(data, start, start + size))
    raise _OutOfBytesError


def _keytab_key(entry: _Reader) -> _Key:
    components = entry.number(2)
    for _ in range(components + 1):
        entry.counted(2)
    entry.take(4 + 4 + 1)  # name type, time, version
    return entry.key(2)


def _ccache_keys(data: bytes) -> Iterator[_Key]:
    file = _Reader(data, _HEADER_BYTES, len(data))
    file.counted(2)
    _principal(file)
    for _ in range(_MOST_ENTRIES):
        if file.ended:
            return
        _principal(file)
        _principal(file)
        key = file.key(4)
        file.take(4 * 4 + 1 + 4)  # times, whether a session key encrypts it, flags
        for _ in range(2):  # addresses, authorisation data
            for _ in range(file.number(4)):
                file.take(2)
                file.counted(4)
        ticket = file.counted(4)
        file.counted(4)
        if ticket and any(key.secret):  # else a setting of the cache, not a ticket
            yield key
    raise _OutOfBytesError


def _principal(file: _Reader) -> None:
    file.take(4)
    for _ in range(file.number(4) + 1):
        file.counted(4)


def _long_term(key: _Key) -> Evidence:
    made = symmetric_key(NAME, key.algorithm, key.secret, len(key.secret))
    return replace(made, offset=key.offset)


def _ticket(key: _Key) -> Evidence:
    size = len(key.secret)
    proof = (Proof.SECRET_IN_STRUCTURE,)
    return credential(NAME, "Kerberos ticket", key.secret, 8 * size, (key.offset, size), proof)
