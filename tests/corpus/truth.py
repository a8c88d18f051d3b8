"""What of a key stands in a file, and whether that is enough to prove the key.

A key is *provable alone* from a file that holds, complete and in a common form:

- RSA: a private encoding, as DER or text; or n and one of p, q, d, dP, dQ (also inside text
  whose end is cut off); or p, q and one of d, dP, dQ;
- EC: a private encoding; or d and the public x (big- or little-endian or in Montgomery form);
- Ed25519, X25519: a private encoding; or the seed (Ed25519 also: the scalar) and the public key;
- AES: an expanded key schedule;
- OpenSSH shielded: blob and pre-key, joined by the pointers of a readable memory map.

It is *provable registered* where the public half comes from a registry and need not stand in
the file. A lone p of a key whose n is nowhere is neither: nothing tells it from another prime.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from brute import Patterns
from forms import (
    COMMON_DIGITS,
    TEXT_FORMS,
    encoding_forms,
    montgomery,
    number_forms,
    part_forms,
    schedule_forms,
    text_forms,
)
from keys import PRIMES, Key
from shielded import unshielded

#: Raw forms that a scanner must know; others (odd digit widths) are listed and not asked for.
_RAW = frozenset({"be", "le", "words32", "mont", "raw", *TEXT_FORMS}) | COMMON_DIGITS
_FACTORING = ("p", "q", "d", "d_euler", "dp", "dq")


@dataclass(frozen=True, slots=True)
class Presence:
    """The places of one key's parts in one file: ``part/form`` to offsets."""

    fingerprint: str
    kind: str
    places: dict[str, list[int]]
    alone: bool
    registered: bool

    def to_json(self) -> dict[str, object]:
        """As written beside a dump."""
        return {
            "fingerprint": self.fingerprint,
            "kind": self.kind,
            "alone": self.alone,
            "registered": self.registered,
            "places": self.places,
        }


def presences(keys: Iterable[Key], path: Path) -> list[Presence]:
    """What ``path`` holds of each key."""
    keys = list(keys)
    wanted = {
        f"{number} {name}": content
        for number, key in enumerate(keys)
        for name, content in _patterns(key).items()
    }
    found = Patterns(wanted).find(path)
    shown = unshielded(path) if any(not k.is_symmetric for k in keys) else {}
    result = []
    for number, key in enumerate(keys):
        prefix = f"{number} "
        places = {n.removeprefix(prefix): o for n, o in found.items() if n.startswith(prefix)}
        if key.spki and key.fingerprint in shown:
            places["shielded/openssh"] = shown[key.fingerprint]
        alone, registered = _provable(key, places)
        result.append(Presence(key.fingerprint, key.kind, places, alone, registered))
    return result


def private_patterns(key: Key) -> dict[str, bytes]:
    """Every form of every private part, by ``part/form``."""
    return {n: c for n, c in _patterns(key).items() if n.split("/")[0] not in key.public}


def _patterns(key: Key) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for part, (value, size) in key.numbers.items():
        forms = number_forms(value, size) | text_forms(value.to_bytes(size, "big"))
        found |= {f"{part}/{form}": content for form, content in forms.items()}
        if key.kind in PRIMES and part == "x":
            found["x/mont"] = montgomery(value, PRIMES[key.kind], size)
    for part, value in key.strings.items():
        found |= {f"{part}/raw": value, f"{part}/hex": value.hex().encode()}
        if key.family == "ed":
            found[f"{part}/reversed"] = value[::-1]
    if key.family == "rsa":
        found |= _inside_text(key)
    for name, der in key.encodings.items():
        found |= {f"{name}/{form}": content for form, content in encoding_forms(der).items()}
    if key.family == "aes":
        forms = schedule_forms(key.strings["key"])
        found |= {f"schedule/{form}": content for form, content in forms.items()}
    return found


def _inside_text(key: Key) -> dict[str, bytes]:
    """The numbers inside base64 text whose end may be cut off (RFC 8017, A.1.2)."""
    found = {}
    for name, der in key.encodings.items():
        for part, (value, size) in key.numbers.items():
            content = value.to_bytes(size, "big")
            begin = der.find(content)
            if begin >= 0:
                forms = part_forms(der, begin, begin + size)
                found |= {f"{part}/{form}/{name}": text for form, text in forms.items()}
    return found


def _provable(key: Key, places: dict[str, list[int]]) -> tuple[bool, bool]:
    """Alone, and with the key registered."""
    parts = {name.split("/")[0] for name in places if name.split("/")[1] in _RAW}
    whole = any(name.split("/")[0] in key.encodings for name in places)
    if whole or "shielded/openssh" in places or any(n.startswith("schedule/") for n in places):
        return True, True
    secret = parts - key.public
    if key.family == "rsa":
        some = bool(secret & set(_FACTORING))
        pair = {"p", "q"} <= secret and bool(secret & {"d", "d_euler", "dp", "dq"})
        return (some and "n" in parts) or pair, some
    if key.family == "ec":
        return "d" in secret and "x" in parts, "d" in secret
    if key.family == "ed":
        some = bool(secret & ({"seed", "scalar"} if key.kind == "ed25519" else {"seed"}))
        return some and "public" in parts, some
    return False, False
