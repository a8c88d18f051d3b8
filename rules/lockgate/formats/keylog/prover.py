"""Settle lines of TLS key logs (draft-ietf-tls-keylogfile): session secrets of exact length.

Rules enforced here:

1. A label of the registry, 32 random bytes, and a secret of the length the label allows.
2. The secrets are ephemeral by their nature: class ``session``.
"""

from __future__ import annotations

import re

from lockgate.formats.opaque import symmetric_key
from lockgate.formats.plain_text import text_around
from lockgate.formats.rule_format import looks_random, placed
from lockgate.scan.evidence import Candidate, Judgement, Proven, Refuted
from lockgate.scan.report import FindingClass

NAME = "keylog"

_LINE = re.compile(rb"([A-Z_0-9]{10,40}) ([0-9a-fA-F]{64}) ([0-9a-fA-F]{32,128})(?![0-9a-fA-F])")
#: Bytes of a master secret (RFC 5246, 8.1); of the hashes of TLS 1.3 (RFC 8446, 7.1).
_MASTER = {48}
_TRAFFIC = {32, 48}


def settle(candidate: Candidate) -> Judgement:
    """Settle a match of the rule, which begins at the label."""
    text = text_around(candidate, 0, 400)
    line = _LINE.match(text.data)
    if line is None:
        return Refuted("no line of a key log")
    secret = bytes.fromhex(line[3].decode())
    lengths = _MASTER if line[1] == b"CLIENT_RANDOM" else _TRAFFIC
    if len(secret) not in lengths or not looks_random(secret):
        return Refuted("no secret of the label's length")
    evidence = symmetric_key(NAME, "TLS", secret, 0, class_=FindingClass.SESSION)
    return placed(Proven((evidence,)), NAME, *text.span(0, line.end()))
