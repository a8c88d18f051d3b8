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
from lockgate.formats.pem import headless, other_labels
from lockgate.formats.pem.armour import Armour, open_armour
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
from lockgate.scan.text.base64 import Decoded
from lockgate.scan.text.characters import characters

NAME = "pem"

#: Decoded bytes that are no known structure, but too many and too random for a placeholder.
_SUSPICIOUS = 44
#: An openssh key has more bytes than this, its first lines in a manual have fewer.
_OPENSSH_BYTES = 160
_SECURITY_KEY = b"sk-"
_HEADLESS_RSA = b"\x02\x01\x00\x02\x82"


def settle(candidate: Candidate) -> Judgement:
    """Settle a match of the rules, which begins at the word BEGIN or END."""
    text = characters(candidate)
    if candidate.rule == "pem_end":
        return headless.judge(text)
    armour = open_armour(text)
    if armour is None:
        return Refuted("no BEGIN line")
    special = other_labels.judge(armour)
    if special is not None:
        return placed(special, NAME, *text.span(armour.start, armour.stop))
    judgement, stop = _settle_body(armour)
    return placed(judgement, NAME, *text.span(armour.start, stop))


def judge_body(data: bytes) -> Judgement:
    """Settle decoded bytes that stood in armour, whatever their structure."""
    if data.startswith(openssh.MAGIC):
        return _judge_openssh(data)
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


def _judge_openssh(data: bytes) -> Judgement:
    """As the bytes say, but that a damaged structure is not clean where a key was announced."""
    judgement = openssh.judge(data)
    damaged = len(data) >= _OPENSSH_BYTES and _SECURITY_KEY not in data
    if isinstance(judgement, Refuted) and damaged and looks_random(data[-_SUSPICIOUS:]):
        return Undecided("a damaged openssh key", 0, 0)
    return judgement


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
    """The best judgement over all readings, and the character at which it ends."""
    best: Judgement = Refuted("no body")
    stop = armour.stop
    for decoded in armour.readings():
        judgement = judge_body(decoded.data)
        if _rank(judgement) < _rank(best):
            best, stop = judgement, _stop(armour, decoded, judgement)
        if isinstance(best, Proven):
            break
    return best, stop


def _rank(judgement: Judgement) -> int:
    return (Proven, NeedsPublic, Undecided, Refuted).index(type(judgement))


def _stop(armour: Armour, decoded: Decoded, judgement: Judgement) -> int:
    """Where the text ends: with the END line, else with the last character that was needed."""
    if armour.closed or not isinstance(judgement, Proven):
        return armour.stop
    return armour.body_start + decoded.text_end(judgement.evidence[0].length)
