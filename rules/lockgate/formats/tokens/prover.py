"""Settle tokens by the table.

Rules enforced here:

1. A token stands alone: no letter or digit touches it on either side.
2. Where the service publishes a checksum or an inner structure, it must agree; elsewhere the
   random part must look random, so that placeholders of manuals are nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from math import log2

from lockgate.formats.opaque import credential
from lockgate.formats.plain_text import looks_random_text, text_around, unescaped
from lockgate.formats.tokens.table import TOKENS, Token
from lockgate.scan.evidence import Candidate, Judgement, Proven, Refuted
from lockgate.scan.report import Proof

NAME = "tokens"

_LONGEST = 1400
_LEAD = 4
#: Nothing before a token but what an escape leaves there: ``%22``, ``\n``.
_BEGIN = rb"(?:(?<![0-9A-Za-z])|(?<=%[0-9A-F]{2})|(?<=\\[nrt]))"
_END = rb"(?![0-9A-Za-z_-])"
_BY_RULE: dict[str, Token] = {f"{NAME}_{token.slug}": token for token in TOKENS}


@dataclass(frozen=True, slots=True)
class TokenFormat:
    """The format whose rules are made from the table."""

    name: str = NAME
    reach: tuple[int, int] = (512, 2 * _LONGEST)

    @property
    def rule_source(self) -> str:
        """One rule for each row, named after it."""
        return "\n".join(_rule(name, token) for name, token in _BY_RULE.items())

    def prove(self, candidate: Candidate) -> Judgement:
        """Settle a match of one of the rules."""
        token = _BY_RULE.get(candidate.rule)
        return Refuted("no row of the table") if token is None else _settle(token, candidate)


def _rule(name: str, token: Token) -> str:
    strings = (f"${i} = /{a}/ ascii wide" for i, a in enumerate(token.anchor.split("|")))
    return f"rule {name} {{ strings: {' '.join(strings)} condition: any of them }}"


@cache
def _pattern(token: Token) -> re.Pattern[bytes]:
    return re.compile(_BEGIN + token.pattern.encode() + _END)


def _settle(token: Token, candidate: Candidate) -> Judgement:
    text = text_around(candidate, token.before + _LEAD, _LONGEST)
    found = _pattern(token).search(unescaped(text.data), max(0, text.index - token.before))
    if found is None or not found.start() <= text.index < found.end():
        return Refuted("not the token's structure")
    if token.check is not None and not token.check(found[0]):
        return Refuted("the checksum or inner structure does not agree")
    if token.proof is not Proof.CHECKSUM and not looks_random_text(found[1], token.alphabet):
        return Refuted("a placeholder")
    bits = int(len(found[1]) * log2(token.alphabet))
    span = text.span(found.start(), found.end())
    return Proven((credential(NAME, token.name, found[0], bits, span, (token.proof,)),))
