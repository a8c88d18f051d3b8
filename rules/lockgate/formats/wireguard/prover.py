"""Settle WireGuard keys by their setting, their size, and the section they stand in.

Sources: wg(8), "CONFIGURATION FILE FORMAT"; systemd.netdev(5), [WireGuard]; NetworkManager's
nm-settings-keyfile(5); WireGuard's cross-platform userspace protocol.

Rules enforced here:

1. A private key is random, clamped as Curve25519 wants it (RFC 7748, section 5), and stands in
   a section for WireGuard. The key of 32 zeros is the protocol's "no key".
2. A preshared key has no public half: a symmetric key.
"""

from __future__ import annotations

import re

from lockgate.formats.opaque import symmetric_key
from lockgate.formats.plain_text import decode_base64, text_around, unescaped
from lockgate.formats.rule_format import looks_random, placed, private_key
from lockgate.scan.evidence import Candidate, Judgement, Proven, Refuted
from lockgate.scan.prove import edwards
from lockgate.scan.report import Proof

NAME = "wireguard"
BEFORE = 16 << 10

_SETTING = re.compile(
    rb"\s*(private|preshared)[-_]?key[ \t\"']*[=:][ \t\"']*(?:([0-9a-f]{64})|([A-Za-z0-9+/]{43}=))"
    rb"(?![A-Za-z0-9+/=])",
    re.IGNORECASE,
)
#: What tells WireGuard from other programs with private keys.
_CONTEXT = re.compile(
    rb"\[(?:Interface|Peer|WireGuard|WireGuardPeer|wireguard(?:-peer\.[^\]\n]{1,60})?)\]|"
    rb"AllowedIPs|allowed-?_?ips?|ListenPort|listen-?_?port|endpoint|wireguard",
    re.IGNORECASE,
)
_AROUND = 2048


def settle(candidate: Candidate) -> Judgement:
    """Settle a match of the rule, which begins at the setting's name."""
    text = text_around(candidate, _AROUND, _AROUND)
    plain = unescaped(text.data)
    setting = _SETTING.match(plain, text.index)
    if setting is None:
        return Refuted("no setting with a key")
    if _CONTEXT.search(plain) is None:
        return Refuted("nothing of WireGuard around")
    secret = bytes.fromhex(setting[2].decode()) if setting[2] else decode_base64(setting[3])
    if secret is None or len(secret) != edwards.ALGORITHMS["X25519"].size:
        return Refuted("no key of 32 bytes")
    span = text.span(setting.start(1), setting.end())
    return placed(_judge(setting[1].lower(), secret), NAME, *span)


def _judge(setting: bytes, secret: bytes) -> Judgement:
    if not looks_random(secret):
        return Refuted("not random")
    if setting == b"preshared":
        return Proven((symmetric_key(NAME, "WireGuard preshared", secret, 0),))
    if secret[0] & 7 or secret[31] & 0xC0 != 0x40:
        return Refuted("not clamped")
    fingerprint = edwards.fingerprint("X25519", edwards.public_key("X25519", secret))
    proof = (Proof.SECRET_IN_STRUCTURE,)
    return Proven((private_key(NAME, "X25519", 256, fingerprint, 0, proof),))
