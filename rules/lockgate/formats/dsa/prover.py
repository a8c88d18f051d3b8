"""Settle the traditional DSAPrivateKey: version, p, q, g, y, x (OpenSSL, ``d2i_DSAPrivateKey``)."""

from __future__ import annotations

from lockgate.formats.rule_format import CUT_BEFORE_SECRET, DISAGREEING, moved, private_key
from lockgate.scan.evidence import Candidate, Judgement, Proven, Refuted, Undecided
from lockgate.scan.prove import der, dsa

NAME = "dsa"

_FIELDS = 6
_MOST_Q_BITS = 256
_TELLING = 8


def settle(candidate: Candidate) -> Judgement:
    """Settle a match of the rule, which begins at the SEQUENCE."""
    start = candidate.match
    return moved(judge(candidate.window[start:]), candidate.window_offset + start)


def judge(data: bytes) -> Judgement:
    """Settle a DSAPrivateKey that begins at the first byte."""
    outer = der.read(data, 0)
    if outer is None or outer.tag != der.SEQUENCE:
        return Refuted("no SEQUENCE")
    fields = list(der.children(data, outer))
    if any(f.tag != der.INTEGER for f in fields) or not 3 <= len(fields) <= _FIELDS:
        return Refuted("not the six numbers of a DSA key")
    values = [der.unsigned(data, f) for f in fields]
    if values[2].bit_length() > _MOST_Q_BITS or fields[2].end - fields[2].body < 20:
        return Refuted("the third number is no DSA subgroup order")
    if len(fields) < _FIELDS or fields[-1].cut:
        return _judge_cut(data, fields)
    _, p, q, g, y, x = values
    proof = dsa.prove(dsa.DsaNumbers(p, q, g, x, y))
    if proof:
        public = dsa.fingerprint(p, q, g, y)
        return Proven((private_key(NAME, "DSA", p.bit_length(), public, fields[-1].end, proof),))
    if p > 1 and q > 1 and (p - 1) % q == 0 and 0 < x < q:
        return Undecided("a damaged DSA private key", 0, fields[-1].end)
    return DISAGREEING


def _judge_cut(data: bytes, fields: list[der.Element]) -> Judgement:
    last = fields[-1]
    if len(fields) == _FIELDS and len(data) - last.body >= _TELLING:
        return Undecided("a DSA private key cut in its private part", 0, len(data))
    return CUT_BEFORE_SECRET if last.cut else Refuted("not the six numbers of a DSA key")
