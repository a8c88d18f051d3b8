"""Azure's identifiable and common annotated keys (security-utilities and CASK, Microsoft).

Rules enforced here:

1. An identifiable key ends in a signature of four characters and a checksum of 32 bits over
   the rest, with the published seed of its service.
2. A common annotated key (JQQJ99) ends in a checksum of 24 bits over the rest; a common
   annotated secret (QJJQ) has fixed zero bits and a date of its making instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lockgate.formats.azure import marvin
from lockgate.formats.plain_text import decode_base64


@dataclass(frozen=True, slots=True)
class Found:
    """A proven key: its name, its place in the text, its random bits, and whether by checksum."""

    name: str
    start: int
    stop: int
    bits: int
    by_checksum: bool


@dataclass(frozen=True, slots=True)
class _Service:
    """A signature: how many characters precede it, and the seeds of its kinds of keys."""

    name: str
    before: int
    seeds: tuple[bytes, ...]


_MESSAGING = (b"Send0000", b"Manage00", b"Listen00", b"Unknown0", b"System00")
_SERVICES = {
    b"+ASt": _Service("Azure storage account key", 76, (b"Default0",)),
    b"ACDb": _Service(
        "Azure Cosmos DB key", 76,
        (b"MastRO00", b"MastRW00", b"SystRO00", b"SystRW00", b"SysAll00",
         b"Resour00", b"Encryp00"),
    ),
    b"+ABa": _Service("Azure Batch key", 76, (b"AbAcct00",)),
    b"+AMC": _Service("Azure ML classic key", 76, (b"Classic0",)),
    b"APIM": _Service(
        "Azure API Management key", 76, (b"Tenant00", b"IoTHub00", b"Gateway0", b"GitKey00")
    ),
    b"AzFu": _Service("Azure Functions key", 44, (b"Master00", b"System00", b"Functi00")),
    b"+ASb": _Service("Azure Service Bus key", 33, _MESSAGING),
    b"+AEh": _Service("Azure Event Hubs key", 33, _MESSAGING),
    b"+ARm": _Service("Azure Relay key", 33, _MESSAGING),
    b"AIoT": _Service("Azure IoT key", 33, (b"IoTHub00", b"DpsKey00", b"Device00")),
    b"AzCa": _Service("Azure Cache for Redis key", 33, (b"Access00",)),
    b"+ACR": _Service("Azure Container Registry key", 42, (b"ACRDflt0",)),
    b"AzSe": _Service("Azure AI Search key", 42, (b"Query000", b"PAdmin00")),
}  # fmt: skip
_TAIL = re.compile(rb"[0-9A-Za-z+/_-]{6}={0,2}")
_SIGNATURE = 4
_CHECKSUM = 4


def identifiable(text: bytes, at: int) -> Found | None:
    """The identifiable key whose signature begins at ``at``."""
    service = _SERVICES.get(text[at : at + _SIGNATURE])
    tail = _TAIL.match(text, at + _SIGNATURE)
    if service is None or tail is None or at < service.before:
        return None
    start = at - service.before
    data = decode_base64(text[start : tail.end()])
    if data is None:
        return None
    body, stored = data[:-_CHECKSUM], data[-_CHECKSUM:]
    if all(marvin.checksum(body, int.from_bytes(seed, "big")) != stored for seed in service.seeds):
        return None
    return Found(service.name, start, tail.end(), 8 * (len(body) - 3), by_checksum=True)


_ANNOTATED_SEED = int.from_bytes(b"Default0", "big")
_ANNOTATED = re.compile(
    rb"([0-9A-Za-z]{52}JQQJ9[9DH][0-9A-Za-z][A-L][0-9A-Za-z]{16}[A-Za-z][0-9A-Za-z]{3})([0-9A-Za-z]{4})"
)
_ANNOTATED_RANDOM = 52
_ANNOTATED_BITS = 309


def annotated_key(text: bytes, at: int) -> Found | None:
    """The common annotated key whose ``JQQJ9`` begins at ``at``."""
    if at < _ANNOTATED_RANDOM:
        return None
    found = _ANNOTATED.match(text, at - _ANNOTATED_RANDOM)
    data = decode_base64(found[1]) if found else None
    if found is None or data is None:
        return None
    stored = decode_base64(found[2])
    if stored is None or marvin.checksum(data, _ANNOTATED_SEED)[:3] != stored:
        return None
    name = "Azure common annotated key"
    return Found(name, found.start(), found.end(), _ANNOTATED_BITS, by_checksum=True)


#: Size letter to characters of the padded secret, and the pattern of their end.
_SECRETS = {
    b"B": (24, rb"[AQgw]AA"),
    b"C": (44, rb"[AEIMQUYcgkosw048]A"),
    b"D": (64, rb""),
    b"E": (88, rb"[AQgw]AA"),
}
_AFTER_SIGNATURE = re.compile(
    rb"QJJQA([B-E])([A-E])[0-9A-Za-z_-][0-9A-Za-z_-]{4}((?:[0-9A-Za-z_-]{4}){0,4}?)"
    rb"AA[0-9A-Za-z_-][A-L][A-Za-e][A-X][0-9A-Za-z][0-9A-Za-z](?![0-9A-Za-z_-])"
)
_MINUTES = re.compile(rb"[A-Za-z0-7]{2}$")
_OPTIONAL = 4


def annotated_secret(text: bytes, at: int) -> Found | None:
    """The common annotated secret whose ``QJJQ`` begins at ``at``."""
    rest = _AFTER_SIGNATURE.match(text, at)
    if rest is None or _MINUTES.search(rest[0]) is None:
        return None
    size, ending = _SECRETS[rest[1]]
    if at < size or len(rest[3]) != _OPTIONAL * (rest[2][0] - ord("A")):
        return None
    secret = text[at - size : at]
    if not re.fullmatch(rb"[0-9A-Za-z_-]*" + ending, secret):
        return None
    bits = 128 * (rest[1][0] - ord("A"))
    name = "common annotated secret"
    return Found(name, at - size, rest.end(), bits, by_checksum=False)
