"""Settle armoured private keys by what is in them.

Rules enforced here:

1. A label alone is never a finding: libraries carry tables of them. Labels may also lie; the
   bytes decide.
2. A body that begins as a private key and cannot be settled is undecided, unless it ends
   before the private part.
"""

from __future__ import annotations

from lockgate.formats.dsa import prover as dsa
from lockgate.formats.openssh import prover as openssh
from lockgate.formats.pem import other_labels
from lockgate.formats.pem.armour import Armour, Decoded, open_armour, readings
from lockgate.formats.pkcs1 import prover as pkcs1
from lockgate.formats.pkcs8 import prover as pkcs8
from lockgate.formats.rule_format import CUT_BEFORE_SECRET, DISAGREEING, looks_random, placed
from lockgate.formats.sec1 import prover as sec1
from lockgate.scan.evidence import (
    Candidate,
    Judgement,
    NeedsPublic,
    Proven,
    Refuted,
    Undecided,
)

NAME = "pem"

#: Decoded bytes that are no known structure, but too many and too random for a placeholder.
_SUSPICIOUS = 44
_HEADLESS_RSA = b"\x02\x01\x00\x02\x82"


def settle(candidate: Candidate) -> Judgement:
    """Settle a match of the rule, which begins at the dashes of the BEGIN line."""
    armour = open_armour(candidate.window, candidate.match)
    if armour is None:
        return Refuted("no BEGIN line")
    offset = candidate.window_offset + candidate.match
    if armour.width > 1 and _is_big_endian(candidate.window, candidate.match, offset):
        offset -= 1
    special = other_labels.judge(armour)
    if special is not None:
        return placed(special, NAME, offset, armour.end * armour.width)
    judgement, length = _settle_body(armour)
    return placed(judgement, NAME, offset, length * armour.width)


def judge_body(data: bytes) -> Judgement:
    """Settle decoded bytes that stood in armour, whatever their structure."""
    if data.startswith(openssh.MAGIC):
        return openssh.judge(data)
    judgements = (
        pkcs8.judge(data, anchored=True),
        sec1.judge(data, anchored=True),
        dsa.judge(data),
        pkcs1.judge(data, anchored=True),
    )
    best = min(judgements, key=_rank)
    if not isinstance(best, Refuted):
        return best
    if CUT_BEFORE_SECRET in judgements or DISAGREEING in judgements:
        return best
    return _judge_remains(data)


def _judge_remains(data: bytes) -> Judgement:
    """Bytes of no known structure: a key without its head, a shifted text, a placeholder."""
    at = data.find(_HEADLESS_RSA)
    if at >= 0:
        whole = Candidate("", data, 0, at, starts_member=True, ends_member=True)
        judgement = pkcs1.settle(whole)
        if not isinstance(judgement, Refuted):
            return judgement
    if len(data) >= _SUSPICIOUS and looks_random(data):
        return Undecided("random bytes where a private key was announced", 0, 0)
    return Refuted("no private key in the body")


def _settle_body(armour: Armour) -> tuple[Judgement, int]:
    """The best judgement over all readings, and how many characters it covers."""
    best: Judgement = Refuted("no body")
    best_length = armour.end
    for decoded in readings(armour):
        judgement = judge_body(decoded.data)
        if _rank(judgement) < _rank(best):
            best, best_length = judgement, _covered(armour, decoded, judgement)
        if isinstance(best, Proven):
            break
    return best, best_length


def _rank(judgement: Judgement) -> int:
    return (Proven, NeedsPublic, Undecided, Refuted).index(type(judgement))


def _covered(armour: Armour, decoded: Decoded, judgement: Judgement) -> int:
    """Characters from BEGIN on: to the END line, else to the last one that was needed."""
    if armour.closed or not isinstance(judgement, Proven):
        return armour.end
    return armour.body_start + decoded.text_end(judgement.evidence[0].length)


def _is_big_endian(window: bytes, match: int, offset: int) -> bool:
    """UTF-16 text stands at even offsets: a dash at an odd one is the second half."""
    return offset % 2 == 1 and match > 0 and window[match - 1] == 0
