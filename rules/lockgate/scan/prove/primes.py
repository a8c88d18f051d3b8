"""Primes that everybody knows: they prove nothing when they stand in memory.

Sources: FIPS 186-5 and SEC 2 (curve fields), RFC 7748 (Curve25519, Curve448), RFC 5639
(Brainpool), and the orders of these groups.
"""

from __future__ import annotations

from math import prod

import gmpy2

#: The fields of the curves, by name.
FIELDS: dict[str, int] = {
    "P-192": 2**192 - 2**64 - 1,
    "P-224": 2**224 - 2**96 + 1,
    "P-256": 2**256 - 2**224 + 2**192 + 2**96 - 1,
    "P-384": 2**384 - 2**128 - 2**96 + 2**32 - 1,
    "P-521": 2**521 - 1,
    "secp256k1": 2**256 - 2**32 - 977,
    "brainpoolP256r1": 0xA9FB57DBA1EEA9BC3E660A909D838D726E3BF623D52620282013481D1F6E5377,
    "brainpoolP384r1": int(
        "8CB91E82A3386D280F5D6F7E50E641DF152F7109ED5456B412B1DA197FB71123"
        "ACD3A729901D1A71874700133107EC53",
        16,
    ),
    "brainpoolP512r1": int(
        "AADD9DB8DBE9C48B3FD4E6AE33C9FC07CB308DB3B3C9D20ED6639CCA70330871"
        "7D4D9B009BC66842AECDA12AE6A380E62881FF2F2D82C68528AA6056583A48F3",
        16,
    ),
    "Curve25519": 2**255 - 19,
    "Curve448": 2**448 - 2**224 - 1,
}

#: The orders of the prime-order groups on these curves, by name.
ORDERS: dict[str, int] = {
    "P-192": 0xFFFFFFFFFFFFFFFFFFFFFFFF99DEF836146BC9B1B4D22831,
    "P-224": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFF16A2E0B8F03E13DD29455C5C2A3D,
    "P-256": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "P-384": int(
        "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF"
        "581A0DB248B0A77AECEC196ACCC52973",
        16,
    ),
    "P-521": int(
        "01FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"
        "FFFA51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409",
        16,
    ),
    "secp256k1": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141,
    "brainpoolP256r1": 0xA9FB57DBA1EEA9BC3E660A909D838D718C397AA3B561A6F7901E0E82974856A7,
    "brainpoolP384r1": int(
        "8CB91E82A3386D280F5D6F7E50E641DF152F7109ED5456B31F166E6CAC0425A7"
        "CF3AB6AF6B7FC3103B883202E9046565",
        16,
    ),
    "brainpoolP512r1": int(
        "AADD9DB8DBE9C48B3FD4E6AE33C9FC07CB308DB3B3C9D20ED6639CCA70330870"
        "553E5C414CA92619418661197FAC10471DB1D381085DDADDB58796829CA90069",
        16,
    ),
    "Curve25519": 2**252 + 27742317777372353535851937790883648493,
    "Curve448": 2**446 - int("8335dc163bb124b65129c96fde933d8d723a70aadc873d6d54a7bb0d", 16),
}

#: Every prime above: refused as a factor of an RSA modulus.
PUBLIC_PRIMES: frozenset[int] = frozenset((*FIELDS.values(), *ORDERS.values()))


def _primes_below(limit: int) -> list[int]:
    return [n for n in range(3, limit, 2) if gmpy2.is_prime(n)]


#: Product of the odd primes below 4096; no RSA modulus shares a factor with it.
SMALL_PRIMES_PRODUCT: gmpy2.mpz = gmpy2.mpz(prod(_primes_below(4096)))
