"""The private fields of an ssh key with no file around them, as programs pass them on.

That is what ``ssh-add`` sends to an agent (draft-miller-ssh-agent, section 3.2.1), what sshd
hands to its children, and what is left of a key file whose beginning is overwritten.

Rules enforced here:

1. The numbers prove the key. A public key of the same type begins alike and is nothing.
"""

from __future__ import annotations

from lockgate.formats.rule_format import moved, private_key
from lockgate.scan.evidence import Candidate, Judgement, Proven, Refuted
from lockgate.scan.prove.ssh_fields import Fields
from lockgate.scan.prove.ssh_keys import PRIVATE

NAME = "openssh-section"


def settle(candidate: Candidate) -> Judgement:
    """Settle a match that begins at the key type."""
    judgement = judge(candidate.window[candidate.match :])
    return moved(judgement, candidate.window_offset + candidate.match)


def judge(data: bytes) -> Judgement:
    """Settle fields that begin at the first byte."""
    fields = Fields(data)
    read = PRIVATE.get(fields.string())
    shown = None if read is None else read(fields)
    if shown is None:
        return Refuted("no private fields")
    length = min(fields.at, len(data))
    found = private_key(NAME, shown.algorithm, shown.bits, shown.fingerprint, length, shown.proof)
    return Proven((found,))
