"""What encoded bytes must show to be worth looking at: the beginnings of keys.

Rules enforced here:

1. Every encoding has anchors for the same beginnings; which one it was is told by the bytes.
2. A DER structure is cut out exactly, so that one which is whole in its text is as good as one
   alone in its file; before texts some bytes are kept, behind them all there are.
"""

from __future__ import annotations

import re

from lockgate.scan.evidence import Judgement, Refuted, Unfolded
from lockgate.scan.prove import der
from lockgate.scan.text.characters import Indexes

#: The version of a private key and the tag behind it: PKCS #1 and DSA, PKCS #8, SEC 1.
_VERSION = re.compile(rb"\x02\x01[\x00\x01][\x02\x30]|\x02\x01\x01\x04")
#: The object identifiers of password-based encryption (PKCS #5, PKCS #12).
_SEALED = re.compile(
    rb"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05|\x06\x0a\x2a\x86\x48\x86\xf7\x0d\x01\x0c"
)
#: Beginnings that are no DER: openssh-key-v1, armour; armour and keys in base64 or hexadecimal.
_TEXT = re.compile(
    rb"openssh-key-v1\0|BEGIN|B\0E\0G\0I\0N|P\0R\0I\0V|QkVHSU|JFR0lO|CRUdJT|LS0tLS1CRUdJ|"
    rb"L\0S\x000\0t\0L\0|2[dD]2[dD]2[dD]2[dD]2[dD]42|424547494|"
    rb"AgEA|AgEB|IBAD|IBAA|CAQA|CAQE|GCSqGSIb3DQEF|BgkqhkiG9w0BBQ|b3BlbnNzaC1rZXkt|"
    rb"M(?:II|IG|C4|Hc)[A-Za-z0-9+/]{8}|\x1f\x8b\x08"
)
#: Bytes of the smallest modulus or scalar that is looked for.
_LEAST_SECRET = 20
_KEPT_BEFORE = 40
_FOCUS_DER = 5
_FOCUS_TEXT = 16


def begins_key(data: bytes, at: int) -> bool:
    """Whether something that may lead to a key begins at ``at``."""
    return any(p.match(data, at) for p in (_VERSION, _SEALED, _TEXT))


def structure_length(data: bytes, at: int) -> int | None:
    """Bytes from ``at`` to the end of the DER structure that holds it; None where it is none."""
    outer = _outer(data, at)
    return None if outer is None else outer.end - at


def _outer(data: bytes, at: int) -> der.Element | None:
    if _SEALED.match(data, at):
        algorithm = der.sequence_before(data, at)
        return None if algorithm is None else der.sequence_before(data, algorithm.start)
    outer = der.sequence_before(data, at) if _VERSION.match(data, at) else None
    return outer if outer is not None and _is_private(data, outer) else None


def _is_private(data: bytes, outer: der.Element) -> bool:
    """Whether the elements behind the version are those of a private key, as far as they show.

    A decoy should end here, before all that it announces is decoded.
    """
    parts = list(der.children(data, outer, 3))
    if len(parts) == 1:
        return False
    second = parts[1]
    if second.tag != der.SEQUENCE:
        return second.end - second.body >= _LEAST_SECRET
    first = der.read(data, second.body, second.end)
    if first is None or first.tag != der.OID:
        return False
    return second.end >= len(data) - 2 or (len(parts) > 2 and parts[2].tag == der.OCTET_STRING)


def is_text(data: bytes, at: int) -> bool:
    """Whether what begins at ``at`` has no length of its own."""
    return _TEXT.match(data, at) is not None


def is_der(unfolded: Unfolded) -> bool:
    """Whether a DER structure was cut out."""
    return unfolded.focus == _FOCUS_DER


def unfold(encoding: str, data: bytes, starts: Indexes, at: int) -> Judgement:
    """What stands at byte ``at`` of decoded data; ``starts`` has the place of every byte."""
    outer = _outer(data, at)
    if outer is not None:
        stop = min(outer.end, len(data))
        part = slice(outer.start, stop)
        return Unfolded(encoding, data[part], starts[outer.start : stop + 1], _FOCUS_DER)
    if is_text(data, at):
        first = max(0, at - _KEPT_BEFORE)
        return Unfolded(encoding, data[first:], starts[first:], at - first + _FOCUS_TEXT)
    return Refuted("nothing that begins a key")
