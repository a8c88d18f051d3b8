"""What a scan saw: findings, gaps, and the outcome that follows from them.

Rules enforced here:

1. A report has one of three outcomes. It is ``clean`` only when nothing was found *and*
   nothing was left unread; a gap alone makes it ``incomplete``.
2. Every list a reader may depend on (classes, gap reasons, proofs) is closed and stands
   here once. ``docs/tables.md`` is generated from these enums.
3. No private byte is ever part of a report: format, offset, length and the public
   fingerprint are all there is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lockgate.scan.salt import EPHEMERAL
from lockgate.scan.words import Word


class Outcome(Word):
    """What a report says of the whole file."""

    CLEAN = "clean", "Every byte was looked at with the searches named, and nothing was found."
    FOUND = "found", "At least one finding that may not leave."
    INCOMPLETE = "incomplete", "Nothing that may not leave was found, but not all was looked at."


class FindingKind(Word):
    """What sort of secret a finding is."""

    PRIVATE_KEY = "private-key", "The private half of an asymmetric key pair."
    SYMMETRIC_KEY = "symmetric-key", "A secret key without a public half."
    CREDENTIAL = "credential", "A token or password that lets its bearer in."
    ENCRYPTED_KEY = "encrypted-key", "A sealed store that holds a key."


class FindingClass(Word):
    """What the policy treats the finding as."""

    PROTECTED = "protected", "A key of the registry of protected keys."
    PRIVATE = "private", "A proven private key, or a long-term symmetric key."
    CREDENTIAL = "credential", "A token or password."
    SESSION = "session", "A key shown to be ephemeral, or a schedule nothing identifies."
    RNG = "rng", "State of a random generator, by proven structure."
    TEST = "test", "A published test key of the shipped list, not registered."
    ENCRYPTED = "encrypted", "A sealed key store; its content is not readable without a password."


#: Classes that make the outcome ``found`` without ``--strict``.
CLASSES_THAT_BLOCK = frozenset(
    {FindingClass.PROTECTED, FindingClass.PRIVATE, FindingClass.CREDENTIAL}
)


class GapReason(Word):
    """Why bytes were not looked at."""

    UNREADABLE = "unreadable", "The file or a part of it could not be read."
    SPECIAL_FILE = "special-file", "A FIFO, socket or device: it has no content to judge."
    CHANGED = "changed", "The file changed while it was scanned."
    TRUNCATED = "truncated", "The format promises bytes that lie beyond the end of the data."
    DAMAGED = "damaged", "The format's own structure is broken or contradicts itself."
    ENCRYPTED = "encrypted", "An encrypted archive or volume; content cannot be read."
    UNSUPPORTED = "unsupported", "A recognised format, version or method without a reader."
    DEPTH_LIMIT = "depth-limit", "Containers nested deeper than the limit."
    SIZE_LIMIT = "size-limit", "Unpacked data beyond the size or ratio limit."
    MEMBER_LIMIT = "member-limit", "More archive members or memory regions than the limit."
    MATCH_LIMIT = "match-limit", "A rule matched too often, or the rule engine reported an error."
    TIME_LIMIT = "time-limit", "The time allowed ran out."
    BUDGET = "budget", "More candidates than the budget of a search allows to prove."
    UNDECIDED = "undecided", "A candidate could be neither proven nor refuted."
    PROFILE = "profile", "The chosen profile leaves out searches that this file needs."
    WORKER_LOST = "worker-lost", "The scan worker died or overran."
    RULE_PACK = "rule-pack", "The rules could not be loaded or verified."


class Proof(Word):
    """By what arithmetic or structure a candidate became a finding."""

    RSA_FACTORS = (
        "rsa-factors",
        "p * q = n, p != q, both odd, no known constants, and not together by mere chance.",
    )
    RSA_EXPONENTS = "rsa-exponents", "e * d = 1 modulo p-1 and q-1."
    RSA_CRT = "rsa-crt", "dP, dQ and qInv agree with d, p and q."
    RSA_DIVIDES = "rsa-divides-modulus", "The candidate divides a modulus that is known."
    RSA_INVERTS = "rsa-inverts", "(2^e)^d = 2 modulo a modulus that is known."
    EC_PUBLIC_POINT = "ec-public-point", "d * G is the public point stored with the key."
    EC_KNOWN_POINT = "ec-known-point", "d * G is a public point known from elsewhere."
    EC_IN_RANGE = "ec-in-range", "1 <= d < n on a named curve inside a complete key structure."
    ED_PUBLIC_KEY = "ed-public-key", "The seed derives the public key stored with the key."
    ED_KNOWN_PUBLIC_KEY = "ed-known-public-key", "The seed derives a public key seen elsewhere."
    SEED_IN_STRUCTURE = "seed-in-structure", "A seed of exact length ends a complete key structure."
    DSA_RELATION = "dsa-relation", "g^x = y modulo p."
    CHECK_INTEGERS = "check-integers", "Both check integers of an openssh-key-v1 agree."
    BIGNUM_STRUCTURE = "bignum-structure", "Numbers reached through OpenSSL BIGNUM structures."
    REGISTERED = "registered", "The public half is in the registry of protected keys."
    SEALED_STRUCTURE = "sealed-structure", "A sealed store whose structure parses to its end."
    RSA_CRT_EXPONENT = (
        "rsa-crt-exponent",
        "2^(e*dP) - 2 shares a factor with a modulus that is known.",
    )
    DH_RELATION = "dh-relation", "g^x is the public value stored with the key or known, modulo p."
    AES_SCHEDULE = "aes-schedule", "Every round key follows from the key, as FIPS 197 expands it."
    SHIELDED = "shielded", "Decrypted by the pre-key that lies beside it, and then proven."
    CHECKSUM = "checksum", "The format's own checksum or authentication code agrees."
    DEFAULT_PASSWORD = "default-password", "A password of the shipped list opens it."
    TOKEN_STRUCTURE = (
        "token-structure",
        "Every fixed part of the token's structure is as published.",
    )
    SECRET_IN_STRUCTURE = "secret-in-structure", "A secret of exact length in a complete structure."
    PQC_RELATION = "pqc-relation", "The key derives or contains its own public half."
    GENERATOR_STATE = "generator-state", "A random generator's state by its proven structure."
    SALTED_FINGERPRINT = "salted-fingerprint", "The bytes match a registered salted fingerprint."


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One place of a key.

    ``offset`` and ``length`` are bytes in the innermost member (for text: the encoded span).
    ``member`` names the member as ``outer!inner``, None for the file itself. ``address`` is
    the virtual address where the bytes stood, when the file is a memory dump.
    """

    format: str
    offset: int
    length: int
    member: str | None = None
    address: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One key with all its places; the first place is the one shown.

    ``fingerprint`` is ``sha256:`` of the SubjectPublicKeyInfo DER (RFC 5280) computed from
    the private candidate, or one of the other forms of the scan contract. ``bits`` is the
    key's size (modulus, field, or key length).
    """

    kind: FindingKind
    class_: FindingClass
    algorithm: str
    bits: int
    fingerprint: str
    proof: tuple[Proof, ...]
    occurrences: tuple[Occurrence, ...]
    protected_name: str | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """Bytes that were not looked at. ``offset``/``length`` None: the whole member."""

    reason: GapReason
    member: str | None = None
    offset: int | None = None
    length: int | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """Which engine made the report: what ``clean`` is a statement about."""

    version: str
    rule_pack: str
    profile: str
    searches: tuple[str, ...]
    salt: str = EPHEMERAL


@dataclass(frozen=True, slots=True)
class Report:
    """What one scan of one top-level file saw.

    ``path`` is for people and escaped already (``lockgate.scan.names``); ``sha256`` is None
    when the content could not be read to its end. ``bytes_scanned`` counts unpacked bytes.
    """

    path: str
    sha256: str | None
    size: int
    findings: tuple[Finding, ...]
    gaps: tuple[Gap, ...]
    bytes_scanned: int
    seconds: float
    engine: EngineInfo
    strict: bool = False

    @property
    def outcome(self) -> Outcome:
        """The outcome, as the scan contract defines it."""
        if any(self.strict or f.class_ in CLASSES_THAT_BLOCK for f in self.findings):
            return Outcome.FOUND
        return Outcome.INCOMPLETE if self.gaps else Outcome.CLEAN


def _address(value: int | None) -> str | None:
    return None if value is None else f"{value:#x}"


def _place_to_json(place: Occurrence) -> dict[str, Any]:
    return {
        "format": place.format,
        "offset": place.offset,
        "length": place.length,
        "member": place.member,
        "address": _address(place.address),
    }


def _finding_to_json(finding: Finding) -> dict[str, Any]:
    first = finding.occurrences[0]
    return {
        "kind": finding.kind.value,
        "class": finding.class_.value,
        "algorithm": finding.algorithm,
        "bits": finding.bits,
        "fingerprint": finding.fingerprint,
        **_place_to_json(first),
        "proof": [p.value for p in finding.proof],
        "protected_name": finding.protected_name,
        "occurrences": [_place_to_json(p) for p in finding.occurrences],
    }


def _gap_to_json(gap: Gap) -> dict[str, Any]:
    return {
        "reason": gap.reason.value,
        "member": gap.member,
        "offset": gap.offset,
        "length": gap.length,
        "detail": gap.detail,
    }


def report_to_json(report: Report) -> dict[str, Any]:
    """The report as the JSON object of the scan contract."""
    engine = report.engine
    return {
        "path": report.path,
        "sha256": report.sha256,
        "size": report.size,
        "outcome": report.outcome.value,
        "findings": [_finding_to_json(f) for f in report.findings],
        "gaps": [_gap_to_json(g) for g in report.gaps],
        "bytes_scanned": report.bytes_scanned,
        "seconds": round(report.seconds, 6),
        "engine": {
            "version": engine.version,
            "rule_pack": engine.rule_pack,
            "profile": engine.profile,
            "searches": list(engine.searches),
            "salt": engine.salt,
        },
        "strict": report.strict,
    }


def _place_from_json(obj: Mapping[str, Any]) -> Occurrence:
    address = obj["address"]
    return Occurrence(
        format=str(obj["format"]),
        offset=int(obj["offset"]),
        length=int(obj["length"]),
        member=obj["member"],
        address=None if address is None else int(address, 16),
    )


def _finding_from_json(obj: Mapping[str, Any]) -> Finding:
    return Finding(
        kind=FindingKind(obj["kind"]),
        class_=FindingClass(obj["class"]),
        algorithm=str(obj["algorithm"]),
        bits=int(obj["bits"]),
        fingerprint=str(obj["fingerprint"]),
        proof=tuple(Proof(p) for p in obj["proof"]),
        occurrences=tuple(_place_from_json(p) for p in obj["occurrences"]),
        protected_name=obj["protected_name"],
    )


def _gap_from_json(obj: Mapping[str, Any]) -> Gap:
    return Gap(
        reason=GapReason(obj["reason"]),
        member=obj["member"],
        offset=obj["offset"],
        length=obj["length"],
        detail=str(obj["detail"]),
    )


def report_from_json(obj: Mapping[str, Any]) -> Report:
    """The inverse of :func:`report_to_json`.

    Raises:
        KeyError, ValueError, TypeError: the object is not a report; callers treat that as a
            lost worker, never as a clean file.
    """
    engine = obj["engine"]
    return Report(
        path=str(obj["path"]),
        sha256=obj["sha256"],
        size=int(obj["size"]),
        findings=tuple(_finding_from_json(f) for f in obj["findings"]),
        gaps=tuple(_gap_from_json(g) for g in obj["gaps"]),
        bytes_scanned=int(obj["bytes_scanned"]),
        seconds=float(obj["seconds"]),
        engine=EngineInfo(
            version=str(engine["version"]),
            rule_pack=str(engine["rule_pack"]),
            profile=str(engine["profile"]),
            searches=tuple(engine["searches"]),
            salt=str(engine["salt"]),
        ),
        strict=bool(obj["strict"]),
    )
