"""Settle ECPrivateKey structures.

Rules enforced here:

1. With the public point stored, the point decides: d * G is that point or nothing is proven.
2. Without it, a scalar in range proves a key only where a key was announced (armour, or
   alone in its file). In memory the public half must stand somewhere else.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lockgate.formats.rule_format import (
    CUT_BEFORE_SECRET,
    is_whole_member,
    looks_random,
    moved,
    private_key,
)
from lockgate.scan.evidence import (
    Candidate,
    Evidence,
    Judgement,
    NeedsPublic,
    Proven,
    Refuted,
    Undecided,
)
from lockgate.scan.prove import der, ec
from lockgate.scan.report import Proof

NAME = "sec1"

_TELLING = 8


@dataclass(frozen=True, slots=True)
class _Structure:
    """What an ECPrivateKey says."""

    scalar: bytes = field(repr=False)
    curve: ec.Curve | None
    point: bytes | None
    length: int
    complete: bool


def settle(candidate: Candidate) -> Judgement:
    """Settle a match of the rule, which begins at the SEQUENCE."""
    start = candidate.match
    data = candidate.window[start:]
    outer = der.read(data, 0)
    whole = outer is not None and is_whole_member(candidate, start, outer.end)
    return moved(judge(data, anchored=whole), candidate.window_offset + start)


def judge(data: bytes, *, anchored: bool, curve: ec.Curve | None = None) -> Judgement:
    """Settle an ECPrivateKey that begins at the first byte.

    Args:
        data: the bytes, possibly cut.
        anchored: they stand where a key was announced.
        curve: the curve that an enclosing PKCS #8 names.
    """
    outer = der.read(data, 0)
    if outer is None or outer.tag != der.SEQUENCE:
        return Refuted("no SEQUENCE")
    parts = list(der.children(data, outer))
    if len(parts) < 2 or parts[0].tag != der.INTEGER or parts[1].tag != der.OCTET_STRING:
        return Refuted("no version and private key")
    if der.unsigned(data, parts[0]) != 1:
        return Refuted("the version is not 1")
    scalar = der.content(data, parts[1])
    if parts[1].cut:
        if len(scalar) >= _TELLING and looks_random(scalar):
            return Undecided("an EC private key cut in its private part", 0, len(data))
        return CUT_BEFORE_SECRET
    return _settle_structure(_structure(data, outer, parts, scalar, curve), anchored=anchored)


def _structure(
    data: bytes,
    outer: der.Element,
    parts: list[der.Element],
    scalar: bytes,
    curve: ec.Curve | None,
) -> _Structure:
    point = None
    for part in parts[2:]:
        if part.tag == der.CONTEXT_0 and not part.cut:
            curve = named_curve(data, der.read(data, part.body, part.end)) or curve
        if part.tag == der.CONTEXT_1 and not part.cut:
            point = _stored_point(data, part)
    complete = not outer.cut and parts[-1].end == outer.end
    return _Structure(scalar, curve, point, min(outer.end, len(data)), complete)


def named_curve(data: bytes, parameters: der.Element | None) -> ec.Curve | None:
    """The curve of ECParameters: named, or spelt out over a known field (RFC 3279)."""
    if parameters is None or parameters.cut:
        return None
    if parameters.tag == der.OID:
        return ec.curve_by_oid(data[parameters.start : parameters.end])
    parts = list(der.children(data, parameters))
    if parameters.tag != der.SEQUENCE or len(parts) < 2:
        return None
    field_id = list(der.children(data, parts[1]))
    if len(field_id) != 2 or field_id[1].tag != der.INTEGER:
        return None
    return ec.curve_by_prime(der.unsigned(data, field_id[1]))


def _stored_point(data: bytes, part: der.Element) -> bytes | None:
    bits = der.read(data, part.body, part.end)
    if bits is None or bits.tag != der.BIT_STRING or data[bits.body : bits.body + 1] != b"\0":
        return None
    return data[bits.body + 1 : bits.end]


def _settle_structure(key: _Structure, *, anchored: bool) -> Judgement:
    d = int.from_bytes(key.scalar, "big")
    curves = [c for c in _possible_curves(key) if 1 <= d < c.order]
    if not curves:
        if key.curve is None and anchored and key.complete:
            return Undecided("an EC private key on an unknown curve", 0, key.length)
        return Refuted("the scalar is in range of no curve")
    for curve in curves if key.point is not None else ():
        point = ec.public_point(curve, d)
        if ec.same_point(curve, point, key.point or b""):
            return Proven((_evidence(key, curve, point, Proof.EC_PUBLIC_POINT),))
    curve = curves[0]
    point = ec.public_point(curve, d)
    if key.point is None and key.curve is not None and key.complete and anchored:
        return Proven((_evidence(key, curve, point, Proof.EC_IN_RANGE),))
    if not anchored and not looks_random(key.scalar):
        return Refuted("the scalar is not random")
    return NeedsPublic(
        _evidence(key, curve, point, Proof.EC_KNOWN_POINT),
        (point, point[1 : 1 + curve.size]),
        Undecided("an EC private key whose public point is not at hand", 0, key.length),
    )


def _possible_curves(key: _Structure) -> list[ec.Curve]:
    if key.curve is not None:
        return [key.curve]
    size = len(key.scalar)
    return [c for c in ec.CURVES.values() if c.size == size]


def _evidence(key: _Structure, curve: ec.Curve, point: bytes, proof: Proof) -> Evidence:
    public = ec.fingerprint(curve, point)
    return private_key(NAME, f"EC {curve.name}", curve.bits, public, key.length, (proof,))
