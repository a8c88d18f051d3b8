"""OpenPGP packets (RFC 9580, section 4) and the secret key packets among them (section 5.5.3).

Rules enforced here:

1. The reader never raises; a length that promises more than there is makes the packet cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from lockgate.formats.openpgp.material import ALGORITHMS, Algorithm, Fields, Reader, read_secret
from lockgate.formats.rule_format import looks_random

SECRET_KEY, SECRET_SUBKEY = 5, 7

_FLAG, _NEW = 0x80, 0x40
_FIVE_OCTETS, _LEAST_TWO, _LEAST_PARTIAL = 255, 192, 224
_OLD_LENGTHS = {0: 1, 1: 2, 2: 4}
_MOST_PACKETS = 1000
#: String-to-key specifiers (RFC 9580, section 3.7.1) and their bytes after the type.
_S2K_BYTES = {0: 1, 1: 9, 3: 10, 4: 19}
_S2K_GNU = 101
_S2K_ARGON2 = 4
_AEAD = 253
#: Usage octets that announce a specifier: authenticated, with a hash, with a checksum.
_WITH_SPECIFIER = {_AEAD, 254, 255}
#: Symmetric algorithms, authenticated modes and hashes (RFC 9580, sections 9.3, 9.5, 9.6).
_CIPHERS = {1, 2, 3, 4, 7, 8, 9, 10, 11, 12, 13}
_AEAD_MODES = {1, 2, 3}
_HASHES = {bytes((n,)) for n in (1, 2, 3, 8, 9, 10, 11, 12, 14)}
#: An initialisation vector and the smallest secret with its checksum.
_LEAST_SEALED = 28
_V5, _V6 = 5, 6


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet; ``cut`` when its end lies past the data."""

    tag: int
    start: int
    body: int
    end: int
    cut: bool


@dataclass(frozen=True, slots=True)
class SecretKey:
    """A secret key packet taken apart; ``secret`` is empty when it is sealed.

    ``is_stub`` tells that the secret is kept elsewhere (GNU extension of the specifier);
    ``agrees`` that the checksum over the clear secret is right.
    """

    algorithm: Algorithm
    public: Fields
    secret: Fields = field(repr=False)
    cut: bool
    is_sealed: bool = False
    is_stub: bool = False
    agrees: bool = False


def read(data: bytes, at: int) -> Packet | None:
    """The packet whose header begins at ``at``; None when there is none of a known length."""
    reader = Reader(data, at)
    head = reader.number(1)
    if reader.cut or not head & _FLAG:
        return None
    if head & _NEW:
        tag, length = head & 0x3F, _new_length(reader)
    else:
        tag, size = head >> 2 & 0xF, _OLD_LENGTHS.get(head & 3)
        length = None if size is None else reader.number(size)
    if reader.cut or length is None or tag == 0:
        return None
    end = reader.at + length
    return Packet(tag, at, reader.at, end, end > len(data))


def _new_length(reader: Reader) -> int | None:
    first = reader.number(1)
    if first < _LEAST_TWO:
        return first
    if first < _LEAST_PARTIAL:
        return ((first - _LEAST_TWO) << 8) + reader.number(1) + _LEAST_TWO
    return reader.number(4) if first == _FIVE_OCTETS else None


def packets(data: bytes, at: int) -> Iterator[Packet]:
    """The packets from ``at`` on, up to the first place where none begins."""
    for _ in range(_MOST_PACKETS):
        packet = read(data, at)
        if packet is None:
            return
        yield packet
        if packet.cut:
            return
        at = packet.end


def secret_key(data: bytes, packet: Packet) -> SecretKey | None:
    """The fields of a secret key packet; None when it is none of a known version or algorithm."""
    reader = Reader(data[packet.body : packet.end])
    version = reader.number(1)
    if version not in {2, 3, 4, _V5, _V6}:
        return None
    reader.take(4)  # time of creation
    if version < 4:
        reader.take(2)  # days of validity
    algorithm = ALGORITHMS.get(reader.number(1))
    if algorithm is None:
        return None
    if version >= _V5:
        reader.take(4)  # bytes of public material
    public = algorithm.public(reader)
    usage = reader.number(1)
    if reader.cut:
        return None
    if usage:
        return _sealed(algorithm, public, reader, version, usage)
    return _clear(algorithm, public, reader, version)


def _clear(algorithm: Algorithm, public: Fields, reader: Reader, version: int) -> SecretKey:
    if version == _V5:
        reader.take(4)  # bytes of secret material
    start = reader.at
    secret = read_secret(algorithm, reader)
    material, cut = reader.data[start : reader.at], reader.cut
    agrees = version < _V6 and reader.number(2) == sum(material) & 0xFFFF and not reader.cut
    return SecretKey(algorithm, public, secret, agrees=agrees, cut=cut)


def _sealed(
    algorithm: Algorithm, public: Fields, reader: Reader, version: int, usage: int
) -> SecretKey | None:
    """A key whose secret is sealed as the fields before it say; None when they say nothing."""
    stub = False
    if usage in _WITH_SPECIFIER:
        if version >= _V5:
            reader.take(1)
        cipher = reader.number(1)
        known = usage != _AEAD or reader.number(1) in _AEAD_MODES
        if version == _V6:
            reader.take(1)
        kind = reader.number(1)
        stub = kind == _S2K_GNU and b"GNU" in reader.data[reader.at : reader.at + 5]
        known = known and cipher in _CIPHERS and _is_specifier(kind, reader)
    else:
        known = version < _V5 and usage in _CIPHERS
    sealed = reader.data[reader.at :]
    if not stub and not (known and len(sealed) >= _LEAST_SEALED and looks_random(sealed)):
        return None
    return SecretKey(algorithm, public, (), is_sealed=True, is_stub=stub, cut=reader.cut)


def _is_specifier(kind: int, reader: Reader) -> bool:
    """Whether a known string-to-key specifier follows its type; the reader passes over it."""
    rest = reader.take(_S2K_BYTES.get(kind, 0))
    return kind == _S2K_ARGON2 or (kind in _S2K_BYTES and rest[:1] in _HASHES)
