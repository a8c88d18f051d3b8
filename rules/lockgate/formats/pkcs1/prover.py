"""Settle RSAPrivateKey structures, whole, cut or damaged.

Rules enforced here:

1. Any intact number that still gives the key away is proof, whatever is missing.
2. A complete structure in which nothing agrees with anything is no key; an incomplete one
   that shows a real modulus and some of the private part is undecided.
"""

from __future__ import annotations

from collections.abc import Sequence

from lockgate.formats.rule_format import CUT_BEFORE_SECRET, DISAGREEING, moved, private_key
from lockgate.scan.evidence import Candidate, Judgement, Proven, Refuted, Undecided
from lockgate.scan.prove import der, rsa

NAME = "pkcs1"

_FIELDS = 9
_DSA_FIELDS = 6
_MULTI_PRIME = 1
#: Fewer visible bytes of the private part than this give nothing away.
_TELLING = 12
_MOST_PRIMES = 16


def settle(candidate: Candidate) -> Judgement:
    """Settle a match of the rule: at the SEQUENCE, or at the version when none is before."""
    window, match = candidate.window, candidate.match
    if window[match : match + 1] != b"\x30":
        outer = der.sequence_before(window, match)
        if outer is None:
            body = window[match:]
            bare = der.Element(der.SEQUENCE, 0, 0, len(body), cut=True)
            return moved(_judge(body, bare), candidate.window_offset + match)
        match = outer.start
    return moved(judge(window[match:]), candidate.window_offset + match)


def judge(data: bytes, *, anchored: bool = False) -> Judgement:
    """Settle an RSAPrivateKey that begins at the first byte.

    ``anchored`` tells that the bytes stand where a key was announced (armour, PKCS #8).
    """
    outer = der.read(data, 0)
    if outer is None or outer.tag != der.SEQUENCE:
        return Refuted("no SEQUENCE")
    return _judge(data, outer, anchored=anchored)


def _judge(data: bytes, outer: der.Element, *, anchored: bool = False) -> Judgement:
    fields = _integers(data, outer.body)
    if len(fields) < 2:
        return Refuted("no version and modulus")
    if fields[1].cut:
        return CUT_BEFORE_SECRET
    values = [der.unsigned(data, f) for f in fields if not f.cut]
    last = fields[-1].end
    length = outer.end if last <= outer.end <= len(data) else min(last, len(data))
    if len(fields) == _DSA_FIELDS and last == outer.end:
        return Refuted("six numbers are a DSA key")
    key = _multi_prime(data, values, last) or _recover(values)
    if key is not None:
        public = rsa.fingerprint(key.n, key.e)
        return Proven((private_key(NAME, "RSA", key.n.bit_length(), public, length, key.proof),))
    complete = len(fields) == _FIELDS and last == outer.end and not outer.cut
    if _is_open(data, outer, fields, values, complete=complete, anchored=anchored):
        return Undecided("a damaged or cut RSA private key", 0, length)
    return DISAGREEING


def _integers(data: bytes, at: int) -> list[der.Element]:
    """The INTEGERs from ``at``, at most the nine of the structure; a cut one ends them."""
    found: list[der.Element] = []
    while len(found) < _FIELDS:
        element = der.read(data, at)
        if element is None or element.tag != der.INTEGER:
            break
        found.append(element)
        if element.cut:
            break
        at = element.end
    return found


def _recover(values: Sequence[int]) -> rsa.ProvenKey | None:
    if len(values) < 4 or values[1].bit_length() < rsa.MIN_BITS:
        return None
    return rsa.recover(rsa.RsaNumbers(*values[1:_FIELDS]))


def _multi_prime(data: bytes, values: Sequence[int], at: int) -> rsa.ProvenKey | None:
    """OtherPrimeInfos after the nine numbers of version 1."""
    if len(values) != _FIELDS or values[0] != _MULTI_PRIME:
        return None
    infos = der.read(data, at)
    if infos is None or infos.tag != der.SEQUENCE:
        return None
    primes = list(values[4:6])
    for info in der.children(data, infos, _MOST_PRIMES):
        prime = der.read(data, info.body, info.end)
        if prime is None or prime.cut:
            return None
        primes.append(der.unsigned(data, prime))
    n, e, d = values[1:4]
    proof = rsa.prove_primes(n, e, d, primes)
    return rsa.ProvenKey(n, e, proof) if proof else None


def _is_open(
    data: bytes,
    outer: der.Element,
    fields: Sequence[der.Element],
    values: Sequence[int],
    *,
    complete: bool,
    anchored: bool,
) -> bool:
    """Whether unproven numbers may still be what is left of a key."""
    if len(values) == _FIELDS and rsa.has_leftover(rsa.RsaNumbers(*values[1:])):
        return True
    if complete:
        return False
    public_end = fields[2].end if len(fields) > 2 else fields[1].end + 5
    visible = min(len(data), outer.end) - public_end
    if visible < _TELLING:
        return False
    return anchored or (rsa.plausible_modulus(values[1]) and _small_exponent(values))


def _small_exponent(values: Sequence[int]) -> bool:
    return len(values) > 2 and values[2] & 1 == 1 and 3 <= values[2] < 1 << 64
