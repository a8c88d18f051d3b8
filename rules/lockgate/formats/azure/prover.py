"""Settle Azure's keys, settings and signatures.

Rules enforced here:

1. Each rule of the format has its own way to settle; all see the same text around the match.
2. A setting's key counts by name, exact length and randomness; an identifiable key by its
   checksum, wherever it stands.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from lockgate.formats.azure import keys, signatures
from lockgate.formats.opaque import credential
from lockgate.formats.plain_text import decode_base64, text_around, unescaped
from lockgate.formats.rule_format import looks_random
from lockgate.scan.evidence import Candidate, Judgement, Proven, Refuted
from lockgate.scan.report import FindingClass, Proof
from lockgate.scan.text.characters import Characters

NAME = "azure"
#: Characters around the match in which a key or query must stand.
AROUND = 2048

_SETTING = re.compile(rb"(AccountKey|SharedAccessKey)=([0-9A-Za-z+/]{43,86}={1,2})")
_SETTINGS = {b"AccountKey": "Azure account key", b"SharedAccessKey": "Azure shared access key"}
_JOINED = re.compile(rb"[0-9A-Za-z+/=_-]")


def settle(candidate: Candidate) -> Judgement:
    """Settle a match of one of the rules."""
    text = text_around(candidate, AROUND, AROUND)
    plain = unescaped(text.data)
    match candidate.rule:
        case "azure_annotated":
            at = text.index
            annotated = keys.annotated_secret(plain, at) or keys.annotated_key(plain, at)
            return _found(annotated, plain, text)
        case "azure_identifiable":
            return _found(keys.identifiable(plain, text.index), plain, text)
        case "azure_setting":
            return _setting(plain, text)
        case "azure_sas":
            return _signature(plain, text)
    return Refuted("no rule of this format")


def _found(found: keys.Found | None, plain: bytes, text: Characters) -> Judgement:
    if found is None:
        return Refuted("no key around the signature")
    if not found.by_checksum and _JOINED.match(plain[found.start - 1 : found.start]):
        return Refuted("part of a longer text")
    proof = Proof.CHECKSUM if found.by_checksum else Proof.TOKEN_STRUCTURE
    secret = plain[found.start : found.stop]
    span = text.span(found.start, found.stop)
    return Proven((credential(NAME, found.name, secret, found.bits, span, (proof,)),))


def _setting(plain: bytes, text: Characters) -> Judgement:
    setting = _SETTING.match(plain, text.index)
    secret = decode_base64(setting[2]) if setting else None
    if setting is None or not secret or not looks_random(secret):
        return Refuted("no key in the setting")
    span = text.span(setting.start(2), setting.end(2))
    name = _SETTINGS[setting[1]]
    return Proven((credential(NAME, name, setting[2], 8 * len(secret), span),))


def _signature(plain: bytes, text: Characters) -> Judgement:
    found = signatures.find(plain, text.index + 1, datetime.now(UTC))
    if found is None:
        return Refuted("no signature with what it signs")
    class_ = FindingClass.SESSION if found.is_over else FindingClass.CREDENTIAL
    span = text.span(found.start, found.stop)
    name, bits = "Azure shared access signature", 8 * len(found.signature)
    return Proven((credential(NAME, name, found.signature, bits, span, class_=class_),))
