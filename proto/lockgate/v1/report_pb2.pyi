from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTCOME_UNSPECIFIED: _ClassVar[Outcome]
    OUTCOME_CLEAN: _ClassVar[Outcome]
    OUTCOME_FOUND: _ClassVar[Outcome]
    OUTCOME_INCOMPLETE: _ClassVar[Outcome]

class FindingKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FINDING_KIND_UNSPECIFIED: _ClassVar[FindingKind]
    FINDING_KIND_PRIVATE_KEY: _ClassVar[FindingKind]
    FINDING_KIND_SYMMETRIC_KEY: _ClassVar[FindingKind]
    FINDING_KIND_CREDENTIAL: _ClassVar[FindingKind]
    FINDING_KIND_ENCRYPTED_KEY: _ClassVar[FindingKind]

class FindingClass(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FINDING_CLASS_UNSPECIFIED: _ClassVar[FindingClass]
    FINDING_CLASS_PROTECTED: _ClassVar[FindingClass]
    FINDING_CLASS_PRIVATE: _ClassVar[FindingClass]
    FINDING_CLASS_CREDENTIAL: _ClassVar[FindingClass]
    FINDING_CLASS_SESSION: _ClassVar[FindingClass]
    FINDING_CLASS_RNG: _ClassVar[FindingClass]
    FINDING_CLASS_TEST: _ClassVar[FindingClass]
    FINDING_CLASS_ENCRYPTED: _ClassVar[FindingClass]

class GapReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GAP_REASON_UNSPECIFIED: _ClassVar[GapReason]
    GAP_REASON_UNREADABLE: _ClassVar[GapReason]
    GAP_REASON_SPECIAL_FILE: _ClassVar[GapReason]
    GAP_REASON_CHANGED: _ClassVar[GapReason]
    GAP_REASON_TRUNCATED: _ClassVar[GapReason]
    GAP_REASON_DAMAGED: _ClassVar[GapReason]
    GAP_REASON_ENCRYPTED: _ClassVar[GapReason]
    GAP_REASON_UNSUPPORTED: _ClassVar[GapReason]
    GAP_REASON_DEPTH_LIMIT: _ClassVar[GapReason]
    GAP_REASON_SIZE_LIMIT: _ClassVar[GapReason]
    GAP_REASON_MEMBER_LIMIT: _ClassVar[GapReason]
    GAP_REASON_MATCH_LIMIT: _ClassVar[GapReason]
    GAP_REASON_TIME_LIMIT: _ClassVar[GapReason]
    GAP_REASON_BUDGET: _ClassVar[GapReason]
    GAP_REASON_UNDECIDED: _ClassVar[GapReason]
    GAP_REASON_PROFILE: _ClassVar[GapReason]
    GAP_REASON_WORKER_LOST: _ClassVar[GapReason]
    GAP_REASON_RULE_PACK: _ClassVar[GapReason]

class Proof(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PROOF_UNSPECIFIED: _ClassVar[Proof]
    PROOF_RSA_FACTORS: _ClassVar[Proof]
    PROOF_RSA_EXPONENTS: _ClassVar[Proof]
    PROOF_RSA_CRT: _ClassVar[Proof]
    PROOF_RSA_DIVIDES_MODULUS: _ClassVar[Proof]
    PROOF_RSA_INVERTS: _ClassVar[Proof]
    PROOF_EC_PUBLIC_POINT: _ClassVar[Proof]
    PROOF_EC_KNOWN_POINT: _ClassVar[Proof]
    PROOF_EC_IN_RANGE: _ClassVar[Proof]
    PROOF_ED_PUBLIC_KEY: _ClassVar[Proof]
    PROOF_ED_KNOWN_PUBLIC_KEY: _ClassVar[Proof]
    PROOF_SEED_IN_STRUCTURE: _ClassVar[Proof]
    PROOF_DSA_RELATION: _ClassVar[Proof]
    PROOF_CHECK_INTEGERS: _ClassVar[Proof]
    PROOF_BIGNUM_STRUCTURE: _ClassVar[Proof]
    PROOF_REGISTERED: _ClassVar[Proof]
    PROOF_SEALED_STRUCTURE: _ClassVar[Proof]
    PROOF_RSA_CRT_EXPONENT: _ClassVar[Proof]
    PROOF_DH_RELATION: _ClassVar[Proof]
    PROOF_AES_SCHEDULE: _ClassVar[Proof]
    PROOF_SHIELDED: _ClassVar[Proof]
    PROOF_CHECKSUM: _ClassVar[Proof]
    PROOF_DEFAULT_PASSWORD: _ClassVar[Proof]
    PROOF_TOKEN_STRUCTURE: _ClassVar[Proof]
    PROOF_SECRET_IN_STRUCTURE: _ClassVar[Proof]
    PROOF_PQC_RELATION: _ClassVar[Proof]
    PROOF_GENERATOR_STATE: _ClassVar[Proof]
    PROOF_SALTED_FINGERPRINT: _ClassVar[Proof]
OUTCOME_UNSPECIFIED: Outcome
OUTCOME_CLEAN: Outcome
OUTCOME_FOUND: Outcome
OUTCOME_INCOMPLETE: Outcome
FINDING_KIND_UNSPECIFIED: FindingKind
FINDING_KIND_PRIVATE_KEY: FindingKind
FINDING_KIND_SYMMETRIC_KEY: FindingKind
FINDING_KIND_CREDENTIAL: FindingKind
FINDING_KIND_ENCRYPTED_KEY: FindingKind
FINDING_CLASS_UNSPECIFIED: FindingClass
FINDING_CLASS_PROTECTED: FindingClass
FINDING_CLASS_PRIVATE: FindingClass
FINDING_CLASS_CREDENTIAL: FindingClass
FINDING_CLASS_SESSION: FindingClass
FINDING_CLASS_RNG: FindingClass
FINDING_CLASS_TEST: FindingClass
FINDING_CLASS_ENCRYPTED: FindingClass
GAP_REASON_UNSPECIFIED: GapReason
GAP_REASON_UNREADABLE: GapReason
GAP_REASON_SPECIAL_FILE: GapReason
GAP_REASON_CHANGED: GapReason
GAP_REASON_TRUNCATED: GapReason
GAP_REASON_DAMAGED: GapReason
GAP_REASON_ENCRYPTED: GapReason
GAP_REASON_UNSUPPORTED: GapReason
GAP_REASON_DEPTH_LIMIT: GapReason
GAP_REASON_SIZE_LIMIT: GapReason
GAP_REASON_MEMBER_LIMIT: GapReason
GAP_REASON_MATCH_LIMIT: GapReason
GAP_REASON_TIME_LIMIT: GapReason
GAP_REASON_BUDGET: GapReason
GAP_REASON_UNDECIDED: GapReason
GAP_REASON_PROFILE: GapReason
GAP_REASON_WORKER_LOST: GapReason
GAP_REASON_RULE_PACK: GapReason
PROOF_UNSPECIFIED: Proof
PROOF_RSA_FACTORS: Proof
PROOF_RSA_EXPONENTS: Proof
PROOF_RSA_CRT: Proof
PROOF_RSA_DIVIDES_MODULUS: Proof
PROOF_RSA_INVERTS: Proof
PROOF_EC_PUBLIC_POINT: Proof
PROOF_EC_KNOWN_POINT: Proof
PROOF_EC_IN_RANGE: Proof
PROOF_ED_PUBLIC_KEY: Proof
PROOF_ED_KNOWN_PUBLIC_KEY: Proof
PROOF_SEED_IN_STRUCTURE: Proof
PROOF_DSA_RELATION: Proof
PROOF_CHECK_INTEGERS: Proof
PROOF_BIGNUM_STRUCTURE: Proof
PROOF_REGISTERED: Proof
PROOF_SEALED_STRUCTURE: Proof
PROOF_RSA_CRT_EXPONENT: Proof
PROOF_DH_RELATION: Proof
PROOF_AES_SCHEDULE: Proof
PROOF_SHIELDED: Proof
PROOF_CHECKSUM: Proof
PROOF_DEFAULT_PASSWORD: Proof
PROOF_TOKEN_STRUCTURE: Proof
PROOF_SECRET_IN_STRUCTURE: Proof
PROOF_PQC_RELATION: Proof
PROOF_GENERATOR_STATE: Proof
PROOF_SALTED_FINGERPRINT: Proof

class Occurrence(_message.Message):
    __slots__ = ("format", "offset", "length", "member", "address")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    format: str
    offset: int
    length: int
    member: str
    address: int
    def __init__(self, format: _Optional[str] = ..., offset: _Optional[int] = ..., length: _Optional[int] = ..., member: _Optional[str] = ..., address: _Optional[int] = ...) -> None: ...

class Finding(_message.Message):
    __slots__ = ("kind", "finding_class", "algorithm", "bits", "fingerprint", "proofs", "occurrences", "protected_name", "occurrence_count")
    KIND_FIELD_NUMBER: _ClassVar[int]
    FINDING_CLASS_FIELD_NUMBER: _ClassVar[int]
    ALGORITHM_FIELD_NUMBER: _ClassVar[int]
    BITS_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    PROOFS_FIELD_NUMBER: _ClassVar[int]
    OCCURRENCES_FIELD_NUMBER: _ClassVar[int]
    PROTECTED_NAME_FIELD_NUMBER: _ClassVar[int]
    OCCURRENCE_COUNT_FIELD_NUMBER: _ClassVar[int]
    kind: FindingKind
    finding_class: FindingClass
    algorithm: str
    bits: int
    fingerprint: str
    proofs: _containers.RepeatedScalarFieldContainer[Proof]
    occurrences: _containers.RepeatedCompositeFieldContainer[Occurrence]
    protected_name: str
    occurrence_count: int
    def __init__(self, kind: _Optional[_Union[FindingKind, str]] = ..., finding_class: _Optional[_Union[FindingClass, str]] = ..., algorithm: _Optional[str] = ..., bits: _Optional[int] = ..., fingerprint: _Optional[str] = ..., proofs: _Optional[_Iterable[_Union[Proof, str]]] = ..., occurrences: _Optional[_Iterable[_Union[Occurrence, _Mapping]]] = ..., protected_name: _Optional[str] = ..., occurrence_count: _Optional[int] = ...) -> None: ...

class Gap(_message.Message):
    __slots__ = ("reason", "member", "offset", "length", "detail")
    REASON_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    reason: GapReason
    member: str
    offset: int
    length: int
    detail: str
    def __init__(self, reason: _Optional[_Union[GapReason, str]] = ..., member: _Optional[str] = ..., offset: _Optional[int] = ..., length: _Optional[int] = ..., detail: _Optional[str] = ...) -> None: ...

class Engine(_message.Message):
    __slots__ = ("version", "rule_pack", "profile", "searches", "salt")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    RULE_PACK_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    SEARCHES_FIELD_NUMBER: _ClassVar[int]
    SALT_FIELD_NUMBER: _ClassVar[int]
    version: str
    rule_pack: str
    profile: str
    searches: _containers.RepeatedScalarFieldContainer[str]
    salt: str
    def __init__(self, version: _Optional[str] = ..., rule_pack: _Optional[str] = ..., profile: _Optional[str] = ..., searches: _Optional[_Iterable[str]] = ..., salt: _Optional[str] = ...) -> None: ...

class Coverage(_message.Message):
    __slots__ = ("bytes_scanned", "gap_count")
    BYTES_SCANNED_FIELD_NUMBER: _ClassVar[int]
    GAP_COUNT_FIELD_NUMBER: _ClassVar[int]
    bytes_scanned: int
    gap_count: int
    def __init__(self, bytes_scanned: _Optional[int] = ..., gap_count: _Optional[int] = ...) -> None: ...

class Report(_message.Message):
    __slots__ = ("sha256", "size", "outcome", "findings", "gaps", "coverage", "seconds", "engine", "strict")
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    GAPS_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    STRICT_FIELD_NUMBER: _ClassVar[int]
    sha256: str
    size: int
    outcome: Outcome
    findings: _containers.RepeatedCompositeFieldContainer[Finding]
    gaps: _containers.RepeatedCompositeFieldContainer[Gap]
    coverage: Coverage
    seconds: float
    engine: Engine
    strict: bool
    def __init__(self, sha256: _Optional[str] = ..., size: _Optional[int] = ..., outcome: _Optional[_Union[Outcome, str]] = ..., findings: _Optional[_Iterable[_Union[Finding, _Mapping]]] = ..., gaps: _Optional[_Iterable[_Union[Gap, _Mapping]]] = ..., coverage: _Optional[_Union[Coverage, _Mapping]] = ..., seconds: _Optional[float] = ..., engine: _Optional[_Union[Engine, _Mapping]] = ..., strict: _Optional[bool] = ...) -> None: ...
