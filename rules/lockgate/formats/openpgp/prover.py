"""Settle OpenPGP secret keys, bare and (called by the prover of armour) out of armour.

Rules enforced here:

1. A clear key is proven by arithmetic between its secret and its public fields; an agreeing
   checksum is proof beside it.
2. A sealed key is known by its public fields. A stub whose secret is on a smart card, or was
   left out of the export, is no finding.
3. Bare packets are found by what follows their head; the packet must hold the place of the
   match exactly, and have the tag of a secret key.
"""

from __future__ import annotations

from lockgate.formats.openpgp.packets import (
    SECRET_KEY,
    SECRET_SUBKEY,
    Packet,
    SecretKey,
    packets,
    read,
    secret_key,
)
from lockgate.formats.rule_format import looks_random, moved, private_key, sealed_key
from lockgate.scan.evidence import Candidate, Evidence, Judgement, Proven, Refuted, Undecided
from lockgate.scan.report import Proof

NAME = "openpgp"
#: The head of a key packet and the modulus of an RSA key of 16384 bits.
BEFORE = 2100

_EXPONENT_RULE, _PACKET_RULE = "openpgp_rsa", "openpgp_packet"
_USUAL_MODULI = (256, 512, 384, 128, 96, 64, 192, 320, 448)
_LARGEST_MODULUS = 2048
_RSA_VERSIONS = {2: 10, 3: 10, 4: 8, 5: 12, 6: 12}
_RSA_ALGORITHMS = {1, 2, 3}
_HEADERS = (2, 3, 5, 6)
_ELGAMAL = b"\x10"
_PUBLIC = {6, 14}
_LONGEST_PACKET = 16 << 10
_VERSION_AND_TIME = 5
#: Bytes that are too many and too random for a placeholder.
_SUSPICIOUS = 64
#: The first byte of a secret key packet, with a length of one, two or four bytes, or any.
_FIRST_BYTES = {b"\x94", b"\x95", b"\x96", b"\xc5"}


def settle(candidate: Candidate) -> Judgement:
    """Settle a match of one of the rules."""
    data, at = candidate.window, candidate.match
    if candidate.rule == _PACKET_RULE:
        start: int | None = at
    elif candidate.rule == _EXPONENT_RULE:
        start = _head_before_modulus(data, at)
    else:
        start = _head_before(data, at)
    if start is None:
        return Refuted("no head of a secret key packet")
    judgement = _from_head(data, start)
    if isinstance(judgement, Undecided) and _may_be_public(data, start):
        return Refuted("the packet of a public key")
    return moved(judgement, candidate.window_offset)


def judge(data: bytes) -> Judgement:
    """Settle all secret keys of the packets that begin at the first byte.

    Armour says that there are some, so that what is not understood is undecided.
    """
    found = [_settle_announced(data, p) for p in packets(data, 0) if _is_secret(p)]
    evidence = tuple(e for j in found if isinstance(j, Proven) for e in j.evidence)
    if evidence:
        return Proven(evidence)
    begins = data[:1] in _FIRST_BYTES
    if not found and begins and len(data) >= _SUSPICIOUS and looks_random(data):
        return Undecided("random bytes where an OpenPGP secret key was announced", 0, len(data))
    undecided = (j for j in found if isinstance(j, Undecided))
    return next(undecided, Refuted("no secret key packet"))


def _settle_announced(data: bytes, packet: Packet) -> Judgement:
    if secret_key(data, packet) is None and looks_random(data[packet.body : packet.end]):
        return Undecided("an OpenPGP key of an unknown kind, or cut", packet.start, 0)
    return _settle_packet(data, packet)


def _from_head(data: bytes, start: int) -> Judgement:
    """The packet at ``start``, and the ElGamal keys behind it, which have no mark of their own."""
    found = list(packets(data, start))
    if not found or not _is_secret(found[0]):
        return Refuted("no secret key packet")
    judgement = _settle_packet(data, found[0])
    if not isinstance(judgement, Proven):
        return judgement
    more = (_settle_packet(data, p) for p in found[1:] if _is_secret(p) and _is_elgamal(data, p))
    evidence = [e for j in more if isinstance(j, Proven) for e in j.evidence]
    return Proven((*judgement.evidence, *evidence))


def _is_secret(packet: Packet) -> bool:
    length = packet.end - packet.body
    return packet.tag in {SECRET_KEY, SECRET_SUBKEY} and 8 < length <= _LONGEST_PACKET


def _is_elgamal(data: bytes, packet: Packet) -> bool:
    """Whether the packet, which may be cut anywhere, names that algorithm."""
    algorithm = packet.body + _VERSION_AND_TIME
    return data[algorithm : algorithm + 1] == _ELGAMAL


def _head_before(data: bytes, body: int) -> int | None:
    """The start of the header of a secret key packet whose body begins at ``body``."""
    return next((p.start for p in _heads(data, body) if _is_secret(p)), None)


def _heads(data: bytes, body: int) -> list[Packet]:
    """What the bytes before ``body`` can be the header of; the last ones may be any bytes."""
    found = (read(data, body - size) for size in _HEADERS if body >= size)
    return [p for p in found if p is not None and p.body == body]


def _may_be_public(data: bytes, start: int) -> bool:
    """Whether the packet whose header begins at ``start`` can as well be one of a public key."""
    body = next(packets(data, start)).body
    return any(p.tag in _PUBLIC for p in _heads(data, body))


def _head_before_modulus(data: bytes, exponent: int) -> int | None:
    """The same, from the place of the exponent behind a modulus of unknown size."""
    usual = _head_for_sizes(data, exponent, _USUAL_MODULI)
    if usual is not None:
        return usual
    return _head_for_sizes(data, exponent, range(_USUAL_MODULI[5], _LARGEST_MODULUS + 1))


def _head_for_sizes(data: bytes, exponent: int, sizes: tuple[int, ...] | range) -> int | None:
    for size in sizes:
        modulus = exponent - size - 2
        if modulus < 0:
            continue
        bits = data[modulus] << 8 | data[modulus + 1]
        if (bits + 7) // 8 != size:
            continue
        for version, distance in _RSA_VERSIONS.items():
            body = exponent - size - distance
            algorithm = modulus - (5 if version > 4 else 1)
            if body < 0 or data[body] != version or data[algorithm] not in _RSA_ALGORITHMS:
                continue
            if (head := _head_before(data, body)) is not None:
                return head
    return None


def _settle_packet(data: bytes, packet: Packet) -> Judgement:
    length = min(packet.end, len(data)) - packet.start
    key = secret_key(data, packet)
    if key is None or key.is_stub:
        return Refuted("no secret key in the packet")
    if key.is_sealed:
        judgement = _settle_sealed(key, length, cut=packet.cut)
    else:
        judgement = _settle_clear(key, length)
    return moved(judgement, packet.start)


def _settle_clear(key: SecretKey, length: int) -> Judgement:
    shown = key.algorithm.prove(key.public, key.secret)
    if shown is None:
        if not any(part.strip(b"\0") for part in key.secret):
            return Refuted("cut before the private part")
        if key.agrees or key.algorithm.show(key.public) is not None:
            return Undecided("an OpenPGP secret key that is cut or damaged", 0, length)
        return Refuted("the numbers do not agree")
    proof = (*shown.proof, Proof.CHECKSUM) if key.agrees else shown.proof
    evidence = private_key(NAME, shown.algorithm, shown.bits, shown.fingerprint, length, proof)
    return Proven((evidence,))


def _settle_sealed(key: SecretKey, length: int, *, cut: bool) -> Judgement:
    shown = key.algorithm.show(key.public)
    if shown is None:
        return Refuted("no public fields of a key")
    if cut or key.cut:
        return Undecided("a sealed OpenPGP key that is cut", 0, length)
    evidence: Evidence = sealed_key(NAME, shown.algorithm, shown.bits, shown.fingerprint, length)
    return Proven((evidence,))
