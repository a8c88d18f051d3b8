import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CoverageDay(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COVERAGE_DAY_UNSPECIFIED: _ClassVar[CoverageDay]
    COVERAGE_DAY_ENFORCING: _ClassVar[CoverageDay]
    COVERAGE_DAY_PARTLY: _ClassVar[CoverageDay]
    COVERAGE_DAY_BLIND: _ClassVar[CoverageDay]
    COVERAGE_DAY_UNKNOWN: _ClassVar[CoverageDay]
COVERAGE_DAY_UNSPECIFIED: CoverageDay
COVERAGE_DAY_ENFORCING: CoverageDay
COVERAGE_DAY_PARTLY: CoverageDay
COVERAGE_DAY_BLIND: CoverageDay
COVERAGE_DAY_UNKNOWN: CoverageDay

class SearchLedgerRequest(_message.Message):
    __slots__ = ("host", "zone", "kind", "transfer_id", "fingerprint", "sha256", "person_id", "since", "until", "before", "limit")
    HOST_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    PERSON_ID_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    host: str
    zone: str
    kind: str
    transfer_id: str
    fingerprint: str
    sha256: str
    person_id: str
    since: _timestamp_pb2.Timestamp
    until: _timestamp_pb2.Timestamp
    before: int
    limit: int
    def __init__(self, host: _Optional[str] = ..., zone: _Optional[str] = ..., kind: _Optional[str] = ..., transfer_id: _Optional[str] = ..., fingerprint: _Optional[str] = ..., sha256: _Optional[str] = ..., person_id: _Optional[str] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., before: _Optional[int] = ..., limit: _Optional[int] = ...) -> None: ...

class LedgerEntry(_message.Message):
    __slots__ = ("index", "entry", "leaf_hash", "kind", "time", "host", "zone", "transfer_id", "person_id")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    LEAF_HASH_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    PERSON_ID_FIELD_NUMBER: _ClassVar[int]
    index: int
    entry: bytes
    leaf_hash: bytes
    kind: str
    time: _timestamp_pb2.Timestamp
    host: str
    zone: str
    transfer_id: str
    person_id: str
    def __init__(self, index: _Optional[int] = ..., entry: _Optional[bytes] = ..., leaf_hash: _Optional[bytes] = ..., kind: _Optional[str] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., host: _Optional[str] = ..., zone: _Optional[str] = ..., transfer_id: _Optional[str] = ..., person_id: _Optional[str] = ...) -> None: ...

class SearchLedgerResponse(_message.Message):
    __slots__ = ("entries", "older")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    OLDER_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[LedgerEntry]
    older: int
    def __init__(self, entries: _Optional[_Iterable[_Union[LedgerEntry, _Mapping]]] = ..., older: _Optional[int] = ...) -> None: ...

class GetKeyHistoryRequest(_message.Message):
    __slots__ = ("key", "since", "until", "limit")
    KEY_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    key: str
    since: _timestamp_pb2.Timestamp
    until: _timestamp_pb2.Timestamp
    limit: int
    def __init__(self, key: _Optional[str] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., limit: _Optional[int] = ...) -> None: ...

class GetKeyHistoryResponse(_message.Message):
    __slots__ = ("answer",)
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    answer: bytes
    def __init__(self, answer: _Optional[bytes] = ...) -> None: ...

class GetCoverageRequest(_message.Message):
    __slots__ = ("hosts", "since", "until")
    HOSTS_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    hosts: _containers.RepeatedScalarFieldContainer[str]
    since: _timestamp_pb2.Timestamp
    until: _timestamp_pb2.Timestamp
    def __init__(self, hosts: _Optional[_Iterable[str]] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class HostDay(_message.Message):
    __slots__ = ("host", "date", "day", "enforcing_hours", "not_enforcing_hours", "unknown_hours")
    HOST_FIELD_NUMBER: _ClassVar[int]
    DATE_FIELD_NUMBER: _ClassVar[int]
    DAY_FIELD_NUMBER: _ClassVar[int]
    ENFORCING_HOURS_FIELD_NUMBER: _ClassVar[int]
    NOT_ENFORCING_HOURS_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_HOURS_FIELD_NUMBER: _ClassVar[int]
    host: str
    date: str
    day: CoverageDay
    enforcing_hours: float
    not_enforcing_hours: float
    unknown_hours: float
    def __init__(self, host: _Optional[str] = ..., date: _Optional[str] = ..., day: _Optional[_Union[CoverageDay, str]] = ..., enforcing_hours: _Optional[float] = ..., not_enforcing_hours: _Optional[float] = ..., unknown_hours: _Optional[float] = ...) -> None: ...

class GetCoverageResponse(_message.Message):
    __slots__ = ("days",)
    DAYS_FIELD_NUMBER: _ClassVar[int]
    days: _containers.RepeatedCompositeFieldContainer[HostDay]
    def __init__(self, days: _Optional[_Iterable[_Union[HostDay, _Mapping]]] = ...) -> None: ...

class ProveEntryRequest(_message.Message):
    __slots__ = ("index",)
    INDEX_FIELD_NUMBER: _ClassVar[int]
    index: int
    def __init__(self, index: _Optional[int] = ...) -> None: ...

class ProveEntryResponse(_message.Message):
    __slots__ = ("proof",)
    PROOF_FIELD_NUMBER: _ClassVar[int]
    proof: bytes
    def __init__(self, proof: _Optional[bytes] = ...) -> None: ...

class GetRetentionRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RetentionPeriod(_message.Message):
    __slots__ = ("kept_class", "days")
    KEPT_CLASS_FIELD_NUMBER: _ClassVar[int]
    DAYS_FIELD_NUMBER: _ClassVar[int]
    kept_class: str
    days: int
    def __init__(self, kept_class: _Optional[str] = ..., days: _Optional[int] = ...) -> None: ...

class LegalHold(_message.Message):
    __slots__ = ("subject", "value", "place_time", "change_id")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    PLACE_TIME_FIELD_NUMBER: _ClassVar[int]
    CHANGE_ID_FIELD_NUMBER: _ClassVar[int]
    subject: str
    value: str
    place_time: _timestamp_pb2.Timestamp
    change_id: str
    def __init__(self, subject: _Optional[str] = ..., value: _Optional[str] = ..., place_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., change_id: _Optional[str] = ...) -> None: ...

class GetRetentionResponse(_message.Message):
    __slots__ = ("periods", "holds", "believed_time")
    PERIODS_FIELD_NUMBER: _ClassVar[int]
    HOLDS_FIELD_NUMBER: _ClassVar[int]
    BELIEVED_TIME_FIELD_NUMBER: _ClassVar[int]
    periods: _containers.RepeatedCompositeFieldContainer[RetentionPeriod]
    holds: _containers.RepeatedCompositeFieldContainer[LegalHold]
    believed_time: _timestamp_pb2.Timestamp
    def __init__(self, periods: _Optional[_Iterable[_Union[RetentionPeriod, _Mapping]]] = ..., holds: _Optional[_Iterable[_Union[LegalHold, _Mapping]]] = ..., believed_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
