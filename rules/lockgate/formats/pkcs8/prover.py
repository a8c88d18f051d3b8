"""Settle PrivateKeyInfo and EncryptedPrivateKeyInfo.

Rules enforced here:

1. The inner key is settled by the prover of its own form; the span is the whole structure.
2. A seed of Ed25519 and its kin is proven by position only where the structure is announced
   or alone in its file: any 32 bytes after the prefix would parse (RFC 8410, section 7).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from lockgate.formats.passwords import open_pkcs8
from lockgate.formats.pkcs1 import prover as pkcs1
from lockgate.formats.pkcs8 import post_quantum, sealed
from lockgate.formats.rule_format import (
    CUT_BEFORE_SECRET,
    DISAGREEING,
    is_whole_member,
    looks_random,
    map_evidence,
    moved,
    placed,
    private_key,
)
from lockgate.formats.sec1 import prover as sec1
from lockgate.scan.evidence import Candidate, Judgement, NeedsPublic, Proven, Refuted, Undecided
from lockgate.scan.prove import der, dh, dsa, edwards, gost, pqc
from lockgate.scan.report import Proof

NAME = "pkcs8"

_TELLING = 8
_CONTEXT_1_PRIMITIVE = 0x81
_RSA_OIDS = {
    bytes.fromhex("06092a864886f70d010101"),  # rsaEncryption
    bytes.fromhex("06092a864886f70d010107"),  # id-RSAES-OAEP
    bytes.fromhex("06092a864886f70d01010a"),  # id-RSASSA-PSS
}
_EC_OID = bytes.fromhex("06072a8648ce3d0201")
_DSA_OID = bytes.fromhex("06072a8648ce380401")
_DH_OIDS = {
    bytes.fromhex("06092a864886f70d010301"),  # dhKeyAgreement (PKCS #3): p, g
    bytes.fromhex("06072a8648ce3e0201"),  # dhpublicnumber (X9.42): p, g, q
}


@dataclass(frozen=True, slots=True)
class _Info:
    """A PrivateKeyInfo taken apart; offsets are those in ``data``."""

    data: bytes
    algorithm: bytes
    parameters: der.Element | None
    secret: der.Element
    public: bytes | None
    length: int
    complete: bool


def settle(candidate: Candidate) -> Judgement:
    """Settle a match of the rules, which begins right after the outer header."""
    outer = der.sequence_before(candidate.window, candidate.match)
    if outer is None:
        return Refuted("no SEQUENCE before the match")
    whole = is_whole_member(candidate, outer.start, outer.end - outer.start)
    judgement = judge(candidate.window[outer.start :], anchored=whole)
    return moved(judgement, candidate.window_offset + outer.start)


def judge(data: bytes, *, anchored: bool) -> Judgement:
    """Settle a structure that begins at the first byte."""
    outer = der.read(data, 0)
    if outer is None or outer.tag != der.SEQUENCE:
        return Refuted("no SEQUENCE")
    parts = list(der.children(data, outer))
    tags = [p.tag for p in parts[:3]]
    if tags[:2] == [der.SEQUENCE, der.OCTET_STRING]:
        judged = sealed.judge(data, outer, parts, anchored=anchored)
        opened = open_pkcs8(data[: outer.end]) if isinstance(judged, Proven) else None
        return judged if opened is None else _opened(opened, outer.end)
    if tags != [der.INTEGER, der.SEQUENCE, der.OCTET_STRING]:
        return Refuted("no version, algorithm and private key")
    if der.unsigned(data, parts[0]) > 1:
        return Refuted("an unknown version")
    info = _take_apart(data, outer, parts)
    if info is None:
        return Refuted("no algorithm")
    return placed(_dispatch(info, anchored=anchored), NAME, 0, info.length)


def _opened(plain: bytes, length: int) -> Judgement:
    """The key that a default password has opened, over the whole sealed structure."""
    return map_evidence(
        placed(judge(plain, anchored=True), NAME, 0, length),
        lambda e: replace(e, proof=(*e.proof, Proof.DEFAULT_PASSWORD)),
    )


def _take_apart(data: bytes, outer: der.Element, parts: list[der.Element]) -> _Info | None:
    algorithm = list(der.children(data, parts[1]))
    if not algorithm or algorithm[0].tag != der.OID:
        return None
    public = next((p for p in parts[3:] if p.tag in {der.CONTEXT_1, _CONTEXT_1_PRIMITIVE}), None)
    return _Info(
        data=data,
        algorithm=data[algorithm[0].start : algorithm[0].end],
        parameters=algorithm[1] if len(algorithm) > 1 else None,
        secret=parts[2],
        public=None if public is None or public.cut else der.content(data, public),
        length=min(outer.end, len(data)),
        complete=not outer.cut and parts[-1].end == outer.end,
    )


def _dispatch(info: _Info, *, anchored: bool) -> Judgement:
    inner = der.content(info.data, info.secret)
    if info.algorithm in _RSA_OIDS:
        return pkcs1.judge(inner, anchored=anchored)
    if info.algorithm == _EC_OID:
        curve = sec1.named_curve(info.data, info.parameters)
        return sec1.judge(inner, anchored=anchored, curve=curve)
    if info.algorithm == _DSA_OID:
        return _dsa(info, inner)
    if info.algorithm in _DH_OIDS:
        return _dh(info, inner)
    seed = edwards.algorithm_by_oid(info.algorithm)
    if seed is not None:
        return _seed(info, inner, seed, anchored=anchored)
    if info.algorithm in gost.ALGORITHMS:
        return _gost(info, inner, anchored=anchored)
    lattice = pqc.algorithm_by_oid(info.algorithm)
    if lattice is not None:
        return post_quantum.judge(
            NAME, lattice, inner, info.length, anchored=anchored and info.complete
        )
    if anchored and info.complete:
        return Undecided("a private key of an algorithm without a prover", 0, info.length)
    return Refuted("an unknown algorithm")


def _seed(
    info: _Info, inner: bytes, algorithm: edwards.SeedAlgorithm, *, anchored: bool
) -> Judgement:
    wrapper = der.read(inner, 0)
    if wrapper is None or wrapper.tag != der.OCTET_STRING:
        return Refuted("the private key is no OCTET STRING")
    seed = der.content(inner, wrapper)
    if wrapper.end - wrapper.body != algorithm.size:
        return Refuted("the seed has the wrong length")
    if len(seed) < algorithm.size:
        telling = len(seed) >= _TELLING and looks_random(seed)
        return _cut(info) if telling else CUT_BEFORE_SECRET
    return _derived(info, algorithm, seed, anchored=anchored)


def _derived(
    info: _Info, algorithm: edwards.SeedAlgorithm, seed: bytes, *, anchored: bool
) -> Judgement:
    name = algorithm.name
    public = edwards.public_key(name, seed)
    fingerprint = edwards.fingerprint(name, public)

    def proven(proof: Proof) -> Proven:
        return Proven(
            (private_key(NAME, name, algorithm.bits, fingerprint, info.length, (proof,)),)
        )

    if info.public is not None and info.public.endswith(public):
        return proven(Proof.ED_PUBLIC_KEY)
    if anchored and info.complete and info.public is None:
        return proven(Proof.SEED_IN_STRUCTURE)
    return NeedsPublic(
        proven(Proof.ED_KNOWN_PUBLIC_KEY).evidence[0],
        (public,),
        _cut(info) if looks_random(seed) or anchored else Refuted("the seed is not random"),
    )


def _cut(info: _Info) -> Undecided:
    return Undecided("a seed whose public key is not at hand", 0, info.length)


def _dh(info: _Info, inner: bytes) -> Judgement:
    """A Diffie-Hellman key: the group is proven, and the private value is in its range."""
    group = [] if info.parameters is None else list(der.children(info.data, info.parameters))
    secret = der.read(inner, 0)
    if len(group) < 2 or secret is None or secret.tag != der.INTEGER:
        return Refuted("no Diffie-Hellman group and private key")
    if secret.cut:
        return Undecided("a Diffie-Hellman private key cut in its private part", 0, info.length)
    p, g = (der.unsigned(info.data, e) for e in group[:2])
    x = der.unsigned(inner, secret)
    if not dh.proves(p, g, x):
        return DISAGREEING
    public = dh.fingerprint(info.algorithm, _parameters(info), pow(g, x, p))
    proof = (Proof.SECRET_IN_STRUCTURE,)
    return Proven((private_key(NAME, "DH", p.bit_length(), public, info.length, proof),))


def _gost(info: _Info, inner: bytes, *, anchored: bool) -> Judgement:
    """A GOST R 34.10 key: a scalar in range of a named curve, proven where a key is announced."""
    wrapper = der.read(inner, 0)
    named = [] if info.parameters is None else list(der.children(info.data, info.parameters))
    curve = gost.CURVES.get(info.data[named[0].start : named[0].end]) if named else None
    if wrapper is None or curve is None or wrapper.cut:
        return Undecided("a GOST private key that is cut, or on an unknown curve", 0, info.length)
    written = der.content(inner, wrapper)
    d = int.from_bytes(written, "big" if wrapper.tag == der.INTEGER else "little")
    if not 1 <= d < curve.q:
        return Refuted("the scalar is not in range")
    point = gost.public_point(curve, d)
    algorithm = der.encode(der.SEQUENCE, info.algorithm, _parameters(info))
    public = gost.fingerprint(algorithm, point)
    left = Undecided("a GOST private key whose public point is not at hand", 0, info.length)
    proof = Proof.EC_IN_RANGE if anchored and info.complete else Proof.EC_KNOWN_POINT
    evidence = private_key(NAME, "GOST", curve.bits, public, info.length, (proof,))
    if anchored and info.complete:
        return Proven((evidence,))
    return NeedsPublic(evidence, (point,), left)


def _parameters(info: _Info) -> bytes:
    """The parameters of the algorithm, as they are written."""
    found = info.parameters
    return b"" if found is None else info.data[found.start : found.end]


def _dsa(info: _Info, inner: bytes) -> Judgement:
    group = [] if info.parameters is None else list(der.children(info.data, info.parameters))
    secret = der.read(inner, 0)
    if len(group) != 3 or secret is None or secret.tag != der.INTEGER:
        return Refuted("no DSA group and private key")
    if secret.cut:
        return Undecided("a DSA private key cut in its private part", 0, info.length)
    p, q, g = (der.unsigned(info.data, e) for e in group)
    numbers = dsa.DsaNumbers(p, q, g, der.unsigned(inner, secret))
    proof = dsa.prove(numbers)
    if not proof:
        return DISAGREEING
    public = dsa.fingerprint(p, q, g, dsa.public_value(numbers))
    return Proven((private_key(NAME, "DSA", p.bit_length(), public, info.length, proof),))
