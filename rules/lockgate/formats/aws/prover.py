"""Settle AWS access keys: an identifier alone lets nobody in, a pair does.

Source: AWS IAM user guide, "IAM identifiers" (unique identifier prefixes) and "Manage access
keys": a secret is 40 characters of base64.

Rules enforced here:

1. The nearest 40 characters that look random are the secret. Hashes in hex, paths and names
   do not; Amazon's own examples say EXAMPLE in both halves.
2. One secret of 900 has no digit. It is told from a name by its capitals and small letters, of
   which a random one has 19 each, and hardly ever fewer than 12.
"""

from __future__ import annotations

import re

from lockgate.formats.opaque import credential
from lockgate.formats.plain_text import looks_random_text, text_around, unescaped
from lockgate.scan.evidence import Candidate, Judgement, Proven, Refuted

NAME = "aws"
#: Characters around the identifier in which the secret must stand.
AROUND = 1024

_IDENTIFIER = re.compile(rb"(AKIA|ASIA)([A-Z2-7]{16})(?![0-9A-Za-z])")
_SECRET = re.compile(rb"(?<![0-9A-Za-z/+=_.-])[0-9A-Za-z/+]{40}(?![0-9A-Za-z/+=_.-])")
#: A value may follow its name and an equals sign without a quote.
_ASSIGNED = re.compile(rb"[=:]([0-9A-Za-z/+]{40})(?![0-9A-Za-z/+=_-])")
_NAMES = {b"AKIA": "AWS access key", b"ASIA": "AWS temporary access key"}
_BITS = 240
_LEAST_OF_A_CASE = 12


def settle(candidate: Candidate) -> Judgement:
    """Settle a match of the rule, which begins at the identifier."""
    text = text_around(candidate, AROUND, AROUND)
    plain = unescaped(text.data)
    identifier = _IDENTIFIER.match(plain, text.index)
    if identifier is None or plain[text.index - 1 : text.index].isalnum():
        return Refuted("no identifier of an access key")
    if not looks_random_text(identifier[2], 32):
        return Refuted("a placeholder")
    spans = [m.span() for m in _SECRET.finditer(plain)]
    spans += [m.span(1) for m in _ASSIGNED.finditer(plain)]
    secrets = [s for s in spans if _is_secret(plain[s[0] : s[1]])]
    if not secrets:
        return Refuted("no secret near the identifier")
    start, stop = min(secrets, key=lambda s: abs(s[0] - text.index))
    first, last = min(start, identifier.start()), max(stop, identifier.end())
    span = text.span(first, last)
    return Proven((credential(NAME, _NAMES[identifier[1]], plain[start:stop], _BITS, span),))


def _is_secret(text: bytes) -> bool:
    written = text.decode()
    cases = sum(map(str.isupper, written)), sum(map(str.islower, written))
    least = 1 if any(map(str.isdigit, written)) else _LEAST_OF_A_CASE
    return min(cases) >= least and looks_random_text(text, 64)
