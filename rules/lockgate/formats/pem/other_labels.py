"""Armour that does not hold a clear key in DER: sealed bodies and keys of other systems.

Rules enforced here:

1. Only structure that parses to its end counts; what no prover here reads is undecided.
"""

from __future__ import annotations

import hashlib
import re

from lockgate.formats.opaque import symmetric_key
from lockgate.formats.openpgp import prover as openpgp
from lockgate.formats.pem.armour import Armour
from lockgate.formats.rule_format import looks_random, sealed_key
from lockgate.scan.evidence import Evidence, Judgement, Proven, Refuted, Undecided
from lockgate.scan.report import FindingClass, FindingKind, Proof
from lockgate.scan.text.base64 import Decoded

NAME = "pem"

_DEK = re.compile(rb"[A-Z0-9-]+,[0-9A-Fa-f]{16,32}$")
_HEX = re.compile(rb"[0-9A-Fa-f]+")
_SSH2_MAGIC = bytes.fromhex("3f6ff9eb")
_TPM_KEY_OID = bytes.fromhex("0606678105")  # 2.23.133.10.*, TPM 2.0 key files
_OPENVPN_BITS = 2048
#: Bytes of the key at the start of each kind of OpenVPN's armour in base64.
_OPENVPN_KEYS = {
    "OpenVPN tls-crypt-v2 client key": 256,
    "OpenVPN tls-crypt-v2 server key": 128,
    "OpenVPN auth-token server key": 128,
}
#: Whole cipher blocks of DES and AES.
_BLOCK = 8


def judge(armour: Armour) -> Judgement | None:
    """A judgement, or None when the body is to be read as a clear key."""
    if armour.label == "OpenVPN Static key V1":
        return _openvpn(armour)
    if armour.label.startswith("PGP "):
        return _openpgp(armour)
    decoded = next(armour.readings(), None)
    if decoded is None:
        return Refuted("no body")
    if b"ENCRYPTED" in armour.headers.get(b"Proc-Type", b""):
        return _legacy(armour, decoded)
    if decoded.data.startswith(_SSH2_MAGIC):
        return _sealed("", decoded.data)
    if armour.label == "TSS2 PRIVATE KEY" and _TPM_KEY_OID in decoded.data[:16]:
        return _sealed("", decoded.data)
    if armour.label.startswith("OpenVPN "):
        return _openvpn_wrapped(armour, decoded)
    return None


def _openpgp(armour: Armour) -> Judgement:
    """Packets in base64, with a checksum line that its equals sign keeps out of the body."""
    judgements = [openpgp.judge(decoded.data) for decoded in armour.readings()]
    ranks = (Proven, Undecided, Refuted)
    return min(judgements, key=lambda j: ranks.index(type(j)), default=Refuted("no body"))


def _legacy(armour: Armour, decoded: Decoded) -> Judgement:
    """OpenSSL's traditional encryption (RFC 1421 headers)."""
    data = decoded.data
    if not looks_random(data) or len(data) < 4 * _BLOCK:
        return Refuted("no ciphertext")
    named = _DEK.match(armour.headers.get(b"DEK-Info", b""))
    if named is None or not armour.closed or len(data) % _BLOCK:
        return Undecided("a sealed private key that is cut or damaged", 0, 0)
    return _sealed(armour.label.removesuffix(" PRIVATE KEY").removesuffix("PRIVATE KEY"), data)


def _sealed(algorithm: str, data: bytes) -> Judgement:
    digest = hashlib.sha256(data).hexdigest()
    return Proven((sealed_key(NAME, algorithm, 0, f"blob-sha256:{digest}", len(data)),))


def _openvpn_wrapped(armour: Armour, decoded: Decoded) -> Judgement:
    """Keys of tls-crypt-v2 and auth-token (openvpn --genkey): the first bytes of the body."""
    size = _OPENVPN_KEYS.get(armour.label, 0)
    secret = decoded.data[:size]
    if not size or not looks_random(secret or b"\0"):
        return Refuted("no key in the body")
    if len(secret) < size:
        return Undecided("an OpenVPN key that is cut", 0, 0)
    name = armour.label.removesuffix(" key")
    return Proven((symmetric_key(NAME, name, secret, 0),))


def _openvpn(armour: Armour) -> Judgement:
    """256 bytes in hex, sixteen a line (openvpn --genkey secret)."""
    text = b"".join(_HEX.findall(armour.body))
    if len(text) != _OPENVPN_BITS // 4 or not looks_random(bytes.fromhex(text.decode())):
        return Refuted("not 256 random bytes in hex")
    digest = hashlib.sha256(bytes.fromhex(text.decode())).hexdigest()
    evidence = Evidence(
        NAME, FindingKind.SYMMETRIC_KEY, FindingClass.PRIVATE, "OpenVPN static", _OPENVPN_BITS,
        f"sha256:{digest}", 0, armour.stop - armour.start, (Proof.SEED_IN_STRUCTURE,),
    )  # fmt: skip
    return Proven((evidence,))
