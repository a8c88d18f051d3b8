"""GOST R 34.10 keys (RFC 7091): curves, public points, and their SubjectPublicKeyInfo (RFC 9215).

Rules enforced here: a scalar is any number below the order, so deriving its point proves nothing
by itself; numbers are written least significant byte first.
"""

from __future__ import annotations

from dataclasses import dataclass

import gmpy2

from lockgate.scan.prove import der

_CRYPTO_PRO = bytes.fromhex("06072a85030202")  # 1.2.643.2.2
_TC26 = bytes.fromhex("06092a850307010201")  # 1.2.643.7.1.2.1
_Point = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Curve:
    """``y^2 = x^3 + ax + b`` modulo ``p``, with the point ``g`` of prime order ``q``."""

    bits: int
    p: int
    a: int
    b: int
    q: int
    g: _Point

    @property
    def size(self) -> int:
        """Bytes of a coordinate."""
        return self.bits // 8


#: id-GostR3410-2001-CryptoPro-A-ParamSet, -B-, -C- (RFC 4357, section 11.4).
CRYPTO_PRO_A = Curve(
    256,
    2**256 - 617,
    2**256 - 620,
    166,
    0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF6C611070995AD10045841B09B761B893,
    (1, 0x8D91E471E0989CDA27DF505A453F2B7635294F2DDF23E3B122ACC99C9E9F1E14),
)
CRYPTO_PRO_B = Curve(
    256,
    2**255 + 3225,
    2**255 + 3222,
    0x3E1AF419A269A5F866A7D3C25C3DF80AE979259373FF2B182F49D4CE7E1BBC8B,
    0x800000000000000000000000000000015F700CFFF1A624E5E497161BCC8A198F,
    (1, 0x3FA8124359F96680B83D1C3EB2C070E5C545C9858D03ECFB744BF8D717717EFC),
)
CRYPTO_PRO_C = Curve(
    256,
    0x9B9F605F5A858107AB1EC85E6B41C8AACF846E86789051D37998F7B9022D759B,
    0x9B9F605F5A858107AB1EC85E6B41C8AACF846E86789051D37998F7B9022D7598,
    32858,
    0x9B9F605F5A858107AB1EC85E6B41C8AA582CA3511EDDFB74F02F3A6598980BB9,
    (0, 0x41ECE55743711A8C3CBF3783CD08C0EE4D4DC440D4641A8F366E550DFDB3BB67),
)
#: id-tc26-gost-3410-12-512-paramSetA and -B (RFC 7836, appendix A.2).
TC26_512_A = Curve(
    512,
    2**512 - 569,
    2**512 - 572,
    0xE8C2505DEDFC86DDC1BD0B2B6667F1DA34B82574761CB0E879BD081CFD0B6265EE3CB090F30D27614CB4574010DA90DD862EF9D4EBEE4761503190785A71C760,
    0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF27E69532F48D89116FF22B8D4E0560609B4B38ABFAD2B85DCACDB1411F10B275,
    (
        3,
        0x7503CFE87A836AE3A61B8816E25450E6CE5E1C93ACF1ABC1778064FDCBEFA921DF1626BE4FD036E93D75E6A50E3A41E98028FE5FC235F5B889A589CB5215F2A4,
    ),
)
TC26_512_B = Curve(
    512,
    2**511 + 111,
    2**511 + 108,
    0x687D1B459DC841457E3E06CF6F5E2517B97C7D614AF138BCBF85DC806C4B289F3E965D2DB1416D217F8B276FAD1AB69C50F78BEE1FA3106EFB8CCBC7C5140116,
    0x800000000000000000000000000000000000000000000000000000000000000149A1EC142565A545ACFDB77BD9D40CFA8B996712101BEA0EC6346C54374F25BD,
    (
        2,
        0x1A8F7EDA389B094C2C071E3647A8940F3C123B697578C213BE6DD9E6C8EC7335DCB228FD1EDF4A39152CBCAAF8C0398828041055F94CEEEC7E21340780FE41BD,
    ),
)
#: By the complete OBJECT IDENTIFIER of the parameters; the exchange sets are the same curves.
CURVES = {
    _CRYPTO_PRO + bytes((35, 1)): CRYPTO_PRO_A,
    _CRYPTO_PRO + bytes((35, 2)): CRYPTO_PRO_B,
    _CRYPTO_PRO + bytes((35, 3)): CRYPTO_PRO_C,
    _CRYPTO_PRO + bytes((36, 0)): CRYPTO_PRO_A,
    _CRYPTO_PRO + bytes((36, 1)): CRYPTO_PRO_C,
    _TC26 + bytes((1, 2)): CRYPTO_PRO_A,
    _TC26 + bytes((1, 3)): CRYPTO_PRO_B,
    _TC26 + bytes((1, 4)): CRYPTO_PRO_C,
    _TC26 + bytes((2, 1)): TC26_512_A,
    _TC26 + bytes((2, 2)): TC26_512_B,
}
#: GOST R 34.10-2001 and -2012 with 256 and 512 bits: the algorithms of keys.
ALGORITHMS = {
    bytes.fromhex("06062a8503020213"),
    bytes.fromhex("06082a85030701010101"),
    bytes.fromhex("06082a85030701010102"),
}


def public_point(curve: Curve, d: int) -> bytes:
    """``d * G`` as the two coordinates, for ``1 <= d < q``."""
    x, y = _multiplied(curve, curve.g, d)
    return x.to_bytes(curve.size, "little") + y.to_bytes(curve.size, "little")


def fingerprint(algorithm: bytes, point: bytes) -> str:
    """``sha256:`` of the SubjectPublicKeyInfo; ``algorithm`` is the whole AlgorithmIdentifier."""
    return der.public_key_fingerprint(algorithm, der.encode(der.OCTET_STRING, point))


def _multiplied(curve: Curve, point: _Point, d: int) -> _Point:
    result: _Point | None = None
    for bit in f"{d:b}":
        result = None if result is None else _added(curve, result, result)
        if bit == "1":
            result = point if result is None else _added(curve, result, point)
    if result is None:
        raise ValueError("a multiple of the order")
    return result


def _added(curve: Curve, one: _Point, other: _Point) -> _Point | None:
    p = curve.p
    if one[0] == other[0]:
        if (one[1] + other[1]) % p == 0:
            return None
        slope = (3 * one[0] * one[0] + curve.a) * gmpy2.invert(2 * one[1], p) % p
    else:
        slope = (other[1] - one[1]) * gmpy2.invert(other[0] - one[0], p) % p
    x = (slope * slope - one[0] - other[0]) % p
    return int(x), int((slope * (one[0] - x) - one[1]) % p)
