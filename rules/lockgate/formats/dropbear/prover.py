"""Settle Dropbear's private keys (its buf_put_*_priv_key; strings and mpints of RFC 4251).

Rules enforced here:

1. The public blob alone stands in every ssh process and is nothing: only numbers that prove a
   private key count.
2. The order is Dropbear's: e, n, d, p, q; p, q, g, y, x; the point and then d; seed and public.
"""

from __future__ import annotations

from collections.abc import Callable

from lockgate.formats.numbers import dsa_private, ec_private, ed_private, rsa_private
from lockgate.formats.rule_format import moved, private_key
from lockgate.scan.evidence import Candidate, Judgement, Proven, Refuted
from lockgate.scan.prove import ec, rsa
from lockgate.scan.prove.ssh_fields import Fields
from lockgate.scan.prove.ssh_keys import ShownKey

NAME = "dropbear"

_SEED_BYTES = 32
_CURVES = {
    b"nistp256": ec.CURVES["P-256"],
    b"nistp384": ec.CURVES["P-384"],
    b"nistp521": ec.CURVES["P-521"],
}


def settle(candidate: Candidate) -> Judgement:
    """Settle a match of the rule, which begins at the length of the algorithm's name."""
    start = candidate.match
    return moved(judge(candidate.window[start:]), candidate.window_offset + start)


def judge(data: bytes) -> Judgement:
    """Settle a key file that begins at the first byte."""
    fields = Fields(data)
    read = _READERS.get(fields.string())
    key = read(fields) if read else None
    if key is None:
        return Refuted("no private numbers behind the public ones")
    evidence = private_key(NAME, key.algorithm, key.bits, key.fingerprint, fields.at, key.proof)
    return Proven((evidence,))


def _rsa(fields: Fields) -> ShownKey | None:
    e, n, d, p, q = (fields.integer() for _ in range(5))
    if not e or not n or not d:
        return None
    return rsa_private(rsa.RsaNumbers(n, e, d, p or None, q or None))


def _dss(fields: Fields) -> ShownKey | None:
    p, q, g, y, x = (fields.integer() for _ in range(5))
    if p is None or q is None or g is None or y is None or x is None:
        return None
    return dsa_private(p, q, g, y, x)


def _ecdsa(fields: Fields) -> ShownKey | None:
    curve = _CURVES.get(fields.string())
    point, d = fields.string(), fields.integer()
    return ec_private(curve, d, point) if curve and d else None


def _ed25519(fields: Fields) -> ShownKey | None:
    both = fields.string()
    return ed_private("Ed25519", both[:_SEED_BYTES], both[_SEED_BYTES:])


_READERS: dict[bytes, Callable[[Fields], ShownKey | None]] = {
    b"ssh-rsa": _rsa,
    b"ssh-dss": _dss,
    b"ecdsa-sha2-nistp256": _ecdsa,
    b"ecdsa-sha2-nistp384": _ecdsa,
    b"ecdsa-sha2-nistp521": _ecdsa,
    b"ssh-ed25519": _ed25519,
}
