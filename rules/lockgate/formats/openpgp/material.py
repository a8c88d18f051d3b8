"""The key material of each OpenPGP algorithm (RFC 9580, sections 5.5.5 and 9.1).

Rules enforced here:

1. One table names each algorithm's public fields, its secret fields, and how the secret ones
   prove themselves against the public ones.
2. The reader never raises; a field that is not whole makes the material cut.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from lockgate.formats import numbers
from lockgate.scan.prove import ec, edwards, rsa
from lockgate.scan.prove.ssh_keys import ShownKey

_ED25519_OID = bytes.fromhex("2b06010401da470f01")
_CURVE25519_OID = bytes.fromhex("2b060104019755010501")
_ED448_OID, _X448_OID = bytes.fromhex("2b6571"), bytes.fromhex("2b656f")
_LEGACY_CURVES = {
    _ED25519_OID: "Ed25519", _CURVE25519_OID: "X25519", _ED448_OID: "Ed448", _X448_OID: "X448",
}  # fmt: skip
_NATIVE_POINT = 0x40


@dataclass(slots=True)
class Reader:
    """Takes fields off the front; ``cut`` once one was not whole."""

    data: bytes = field(repr=False)
    at: int = 0
    cut: bool = False

    def take(self, count: int) -> bytes:
        """The next bytes, fewer when there are no more."""
        taken = self.data[self.at : self.at + count]
        self.cut = self.cut or len(taken) < count
        self.at += count
        return taken

    def number(self, size: int) -> int:
        """An unsigned big-endian number of ``size`` bytes."""
        return int.from_bytes(self.take(size), "big")

    def mpi(self) -> bytes:
        """A multiprecision integer: its bits in two bytes, then its bytes."""
        return self.take((self.number(2) + 7) // 8)

    def counted(self) -> bytes:
        """Bytes with their count in one byte before them."""
        return self.take(self.number(1))


Fields = tuple[bytes, ...]
_Public = Callable[[Fields], ShownKey | None]
_Private = Callable[[Fields, Fields], ShownKey | None]


@dataclass(frozen=True, slots=True)
class Algorithm:
    """How one algorithm is written. ``secret`` gives the lengths of native fields, or None
    for a multiprecision integer, one for each secret field.
    """

    public: Callable[[Reader], Fields]
    secret: tuple[int | None, ...]
    show: _Public
    prove: _Private


def _mpis(count: int) -> Callable[[Reader], Fields]:
    return lambda reader: tuple(reader.mpi() for _ in range(count))


def _on_curve(reader: Reader) -> Fields:
    return reader.counted(), reader.mpi()


def _on_curve_with_kdf(reader: Reader) -> Fields:
    return reader.counted(), reader.mpi(), reader.counted()


def _native(count: int) -> Callable[[Reader], Fields]:
    return lambda reader: (reader.take(count),)


def _integers(fields: Fields) -> list[int]:
    return [int.from_bytes(f, "big") for f in fields]


def _show_rsa(public: Fields) -> ShownKey | None:
    n, e = _integers(public)
    return numbers.rsa_public(n, e) if n and e else None


def _prove_rsa(public: Fields, secret: Fields) -> ShownKey | None:
    n, e = _integers(public)
    d, p, q, u = _integers(secret)
    # u is the inverse of p modulo q: PKCS #1 with the roles of p and q exchanged.
    return numbers.rsa_private(
        rsa.RsaNumbers(n, e, d or None, q or None, p or None, None, None, u or None)
    )


def _show_dsa(public: Fields) -> ShownKey | None:
    p, q, g, y = _integers(public)
    return numbers.dsa_public(p, q, g, y) if p and y else None


def _prove_dsa(public: Fields, secret: Fields) -> ShownKey | None:
    p, q, g, y = _integers(public)
    return numbers.dsa_private(p, q, g, y, *_integers(secret))


def _show_elgamal(public: Fields) -> ShownKey | None:
    p, g, y = _integers(public)
    return numbers.elgamal_public(p, g, y) if p and y else None


def _prove_elgamal(public: Fields, secret: Fields) -> ShownKey | None:
    p, g, y = _integers(public)
    return numbers.elgamal_private(p, g, y, *_integers(secret))


def _without_prefix(point: bytes) -> bytes:
    return point[1:] if point[:1] == bytes((_NATIVE_POINT,)) and len(point) % 2 else point


def _show_curve(public: Fields) -> ShownKey | None:
    oid, point = public[0], public[1]
    if name := _LEGACY_CURVES.get(oid):
        return numbers.ed_public(name, _without_prefix(point))
    curve = ec.curve_by_oid(bytes((6, len(oid))) + oid)
    return None if curve is None else numbers.ec_public(curve, point)


def _prove_curve(public: Fields, secret: Fields) -> ShownKey | None:
    oid, point = public[0], public[1]
    if name := _LEGACY_CURVES.get(oid):
        size = edwards.ALGORITHMS[name].size
        native = secret[0].removeprefix(bytes((_NATIVE_POINT,))) if size > 32 else secret[0]
        seed = native.rjust(size, b"\0")
        if oid == _CURVE25519_OID:
            seed = seed[::-1]  # a number, not the bytes of RFC 7748 (RFC 9580, 5.5.5.6.1.1)
        return numbers.ed_private(name, seed, _without_prefix(point))
    curve = ec.curve_by_oid(bytes((6, len(oid))) + oid)
    if curve is None:
        return None
    return numbers.ec_private(curve, int.from_bytes(secret[0], "big"), point)


def _edwards(name: str, size: int) -> Algorithm:
    return Algorithm(
        _native(size),
        (size,),
        lambda public: numbers.ed_public(name, public[0]),
        lambda public, secret: numbers.ed_private(name, secret[0], public[0]),
    )


_RSA = Algorithm(_mpis(2), (None,) * 4, _show_rsa, _prove_rsa)
_ELGAMAL = Algorithm(_mpis(3), (None,), _show_elgamal, _prove_elgamal)

#: Public-key algorithms by their number (RFC 9580, section 9.1).
ALGORITHMS: dict[int, Algorithm] = {
    1: _RSA,
    2: _RSA,
    3: _RSA,
    16: _ELGAMAL,
    17: Algorithm(_mpis(4), (None,), _show_dsa, _prove_dsa),
    18: Algorithm(_on_curve_with_kdf, (None,), _show_curve, _prove_curve),
    19: Algorithm(_on_curve, (None,), _show_curve, _prove_curve),
    20: _ELGAMAL,
    22: Algorithm(_on_curve, (None,), _show_curve, _prove_curve),
    25: _edwards("X25519", 32),
    26: _edwards("X448", 56),
    27: _edwards("Ed25519", 32),
    28: _edwards("Ed448", 57),
}


def read_secret(algorithm: Algorithm, reader: Reader) -> Fields:
    """The secret fields."""
    return tuple(reader.mpi() if size is None else reader.take(size) for size in algorithm.secret)
