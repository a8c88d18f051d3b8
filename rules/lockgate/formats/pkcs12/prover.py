"""Settle PKCS #12 stores: bags that show a key, sealed bags, and what is sealed as a whole.

Rules enforced here:

1. A key bag in the clear is settled by the prover of PKCS #8; a sealed one is tried with the
   default passwords, and else is a sealed key.
2. Certificates are nothing. A store whose every part is sealed may hold keys, so it counts as
   a sealed one, unless a default password opens it and shows that it holds none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

from lockgate.formats.passwords import DEFAULTS, MOST_ROUNDS
from lockgate.formats.pkcs8 import prover as pkcs8
from lockgate.formats.rule_format import moved, sealed_key
from lockgate.scan.evidence import Candidate, Evidence, Judgement, Proven, Refuted, Undecided
from lockgate.scan.prove import der
from lockgate.scan.report import Proof

NAME = "pkcs12"

_BAGS = bytes.fromhex("060b2a864886f70d010c0a01")  # pkcs-12 bag types
_KEY_BAG, _SEALED_BAG = 1, 2
_DATA = bytes.fromhex("06092a864886f70d010701")
_ENCRYPTED = bytes.fromhex("06092a864886f70d010706")
_INDEFINITE = b"\x30\x80"
_MOST_PARTS = 256


def settle(candidate: Candidate) -> Judgement:
    """Settle a match of the rule: at the version, or at an outer header of indefinite length."""
    window, match = candidate.window, candidate.match
    if window.startswith(_INDEFINITE, match):
        return Undecided(
            "a PKCS #12 store in BER", candidate.window_offset + match, len(window) - match
        )
    outer = der.sequence_before(window, match)
    if outer is None:
        return Refuted("no SEQUENCE before the version")
    return moved(judge(window[outer.start :]), candidate.window_offset + outer.start)


def judge(data: bytes) -> Judgement:
    """Settle a PFX that begins at the first byte."""
    outer = der.read(data, 0)
    if outer is None or outer.tag != der.SEQUENCE:
        return Refuted("no SEQUENCE")
    if outer.cut:
        return Undecided("a PKCS #12 store that is cut, or larger than is looked at", 0, len(data))
    store = data[: outer.end]
    content = _content(store, outer)
    if content is None:
        return Refuted("no authenticated safe")
    parts = list(_parts(content))
    if not parts:
        return Refuted("no parts")
    plain = [evidence for bag in _bags(parts) for evidence in _bag(store, *bag)]
    if plain or all(kind == _DATA for kind, _ in parts):
        return Proven(tuple(plain)) if plain else Refuted("certificates only")
    if _opens_to_no_key(store):
        return Refuted("certificates only, sealed by a default password")
    return Proven((_sealed_store(store),))


def _content(data: bytes, outer: der.Element) -> bytes | None:
    """AuthenticatedSafe: the OCTET STRING inside the ContentInfo."""
    fields = list(der.children(data, outer))
    if len(fields) < 2 or fields[1].tag != der.SEQUENCE:
        return None
    return _explicit_octets(data, list(der.children(data, fields[1])))


def _explicit_octets(data: bytes, fields: list[der.Element]) -> bytes | None:
    if len(fields) < 2 or fields[1].tag != der.CONTEXT_0:
        return None
    octets = der.read(data, fields[1].body, fields[1].end)
    return der.content(data, octets) if octets and octets.tag == der.OCTET_STRING else None


def _parts(safe: bytes) -> Iterator[tuple[bytes, bytes]]:
    """``(content type, SafeContents)`` of each ContentInfo; sealed ones with no contents."""
    outer = der.read(safe, 0)
    for info in () if outer is None else der.children(safe, outer, _MOST_PARTS):
        fields = list(der.children(safe, info))
        kind = safe[fields[0].start : fields[0].end] if fields else b""
        if kind == _DATA:
            yield kind, _explicit_octets(safe, fields) or b""
        elif kind == _ENCRYPTED:
            yield kind, b""


def _bags(parts: list[tuple[bytes, bytes]]) -> Iterator[tuple[int, bytes]]:
    """``(type, value)`` of every bag that can be seen."""
    for _, contents in parts:
        outer = der.read(contents, 0)
        for bag in () if outer is None else der.children(contents, outer, _MOST_PARTS):
            fields = list(der.children(contents, bag))
            kind = contents[fields[0].start : fields[0].end] if fields else b""
            if kind.startswith(_BAGS) and len(kind) == len(_BAGS) + 1 and len(fields) > 1:
                yield kind[-1], der.content(contents, fields[1])


def _bag(store: bytes, kind: int, value: bytes) -> Iterator[Evidence]:
    """What one bag gives away; its span is the whole store, in which it may be in pieces."""
    if kind not in {_KEY_BAG, _SEALED_BAG}:
        return
    judged = pkcs8.judge(value, anchored=True)
    for evidence in judged.evidence if isinstance(judged, Proven) else ():
        start = store.find(value)
        offset, length = (start, len(value)) if start >= 0 else (0, len(store))
        yield replace(evidence, format=NAME, offset=offset, length=length)


def _opens_to_no_key(store: bytes) -> bool:
    """Whether a default password opens the whole, and there is no key in it."""
    from cryptography.hazmat.primitives.serialization import pkcs12  # slow to import

    if _rounds_of_mac(store) > MOST_ROUNDS:
        return False
    for password in DEFAULTS:
        try:
            opened = pkcs12.load_pkcs12(store, password.encode())
        except Exception:  # noqa: BLE001, S112 - a wrong password fails in many ways
            continue
        return opened.key is None
    return False


def _rounds_of_mac(store: bytes) -> int:
    """Iterations of MacData, which stand last; 1 when left out."""
    outer = der.read(store, 0)
    fields = [] if outer is None else list(der.children(store, outer))
    last = list(der.children(store, fields[2])) if len(fields) > 2 else []
    return der.unsigned(store, last[2]) if len(last) > 2 else 1


def _sealed_store(store: bytes) -> Evidence:
    digest = hashlib.sha256(store).hexdigest()
    return replace(
        sealed_key(NAME, "", 0, f"blob-sha256:{digest}", len(store)),
        proof=(Proof.SEALED_STRUCTURE,),
    )
