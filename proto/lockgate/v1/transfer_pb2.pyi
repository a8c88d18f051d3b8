import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Boundary(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BOUNDARY_UNSPECIFIED: _ClassVar[Boundary]
    BOUNDARY_OPEN: _ClassVar[Boundary]
    BOUNDARY_OUTBOX: _ClassVar[Boundary]
    BOUNDARY_INTAKE: _ClassVar[Boundary]
    BOUNDARY_RELEASE: _ClassVar[Boundary]

class Verdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VERDICT_UNSPECIFIED: _ClassVar[Verdict]
    VERDICT_ALLOW: _ClassVar[Verdict]
    VERDICT_HOLD: _ClassVar[Verdict]
    VERDICT_BLOCK: _ClassVar[Verdict]
    VERDICT_QUARANTINE: _ClassVar[Verdict]

class HoldReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    HOLD_REASON_UNSPECIFIED: _ClassVar[HoldReason]
    HOLD_REASON_POLICY: _ClassVar[HoldReason]
    HOLD_REASON_GAP: _ClassVar[HoldReason]
    HOLD_REASON_NO_RULE: _ClassVar[HoldReason]
    HOLD_REASON_POLICY_ERROR: _ClassVar[HoldReason]
    HOLD_REASON_UNKNOWN_VALUE: _ClassVar[HoldReason]
    HOLD_REASON_CONTROLLER_UNREACHABLE: _ClassVar[HoldReason]
    HOLD_REASON_CERTIFICATE: _ClassVar[HoldReason]
    HOLD_REASON_SCAN_PENDING: _ClassVar[HoldReason]
    HOLD_REASON_DEADLINE: _ClassVar[HoldReason]
    HOLD_REASON_WORKER_LOST: _ClassVar[HoldReason]
    HOLD_REASON_CHANGED: _ClassVar[HoldReason]
    HOLD_REASON_LIVE_WRITER: _ClassVar[HoldReason]
    HOLD_REASON_OVERLOAD: _ClassVar[HoldReason]
    HOLD_REASON_AGENT_DOWN: _ClassVar[HoldReason]
    HOLD_REASON_SPOOL_FULL: _ClassVar[HoldReason]
    HOLD_REASON_STORE_FULL: _ClassVar[HoldReason]
    HOLD_REASON_QUARANTINE_FAILED: _ClassVar[HoldReason]
    HOLD_REASON_RULE_PACK: _ClassVar[HoldReason]

class Enforcement(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ENFORCEMENT_UNSPECIFIED: _ClassVar[Enforcement]
    ENFORCEMENT_ALLOWED: _ClassVar[Enforcement]
    ENFORCEMENT_DENIED: _ClassVar[Enforcement]
    ENFORCEMENT_QUARANTINED: _ClassVar[Enforcement]
    ENFORCEMENT_QUARANTINE_FAILED: _ClassVar[Enforcement]
    ENFORCEMENT_NOT_ENFORCED: _ClassVar[Enforcement]
    ENFORCEMENT_RESTORED: _ClassVar[Enforcement]
    ENFORCEMENT_TAKEN_IN: _ClassVar[Enforcement]
    ENFORCEMENT_NOT_KEPT: _ClassVar[Enforcement]
BOUNDARY_UNSPECIFIED: Boundary
BOUNDARY_OPEN: Boundary
BOUNDARY_OUTBOX: Boundary
BOUNDARY_INTAKE: Boundary
BOUNDARY_RELEASE: Boundary
VERDICT_UNSPECIFIED: Verdict
VERDICT_ALLOW: Verdict
VERDICT_HOLD: Verdict
VERDICT_BLOCK: Verdict
VERDICT_QUARANTINE: Verdict
HOLD_REASON_UNSPECIFIED: HoldReason
HOLD_REASON_POLICY: HoldReason
HOLD_REASON_GAP: HoldReason
HOLD_REASON_NO_RULE: HoldReason
HOLD_REASON_POLICY_ERROR: HoldReason
HOLD_REASON_UNKNOWN_VALUE: HoldReason
HOLD_REASON_CONTROLLER_UNREACHABLE: HoldReason
HOLD_REASON_CERTIFICATE: HoldReason
HOLD_REASON_SCAN_PENDING: HoldReason
HOLD_REASON_DEADLINE: HoldReason
HOLD_REASON_WORKER_LOST: HoldReason
HOLD_REASON_CHANGED: HoldReason
HOLD_REASON_LIVE_WRITER: HoldReason
HOLD_REASON_OVERLOAD: HoldReason
HOLD_REASON_AGENT_DOWN: HoldReason
HOLD_REASON_SPOOL_FULL: HoldReason
HOLD_REASON_STORE_FULL: HoldReason
HOLD_REASON_QUARANTINE_FAILED: HoldReason
HOLD_REASON_RULE_PACK: HoldReason
ENFORCEMENT_UNSPECIFIED: Enforcement
ENFORCEMENT_ALLOWED: Enforcement
ENFORCEMENT_DENIED: Enforcement
ENFORCEMENT_QUARANTINED: Enforcement
ENFORCEMENT_QUARANTINE_FAILED: Enforcement
ENFORCEMENT_NOT_ENFORCED: Enforcement
ENFORCEMENT_RESTORED: Enforcement
ENFORCEMENT_TAKEN_IN: Enforcement
ENFORCEMENT_NOT_KEPT: Enforcement

class Zone(_message.Message):
    __slots__ = ("name", "signing")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SIGNING_FIELD_NUMBER: _ClassVar[int]
    name: str
    signing: bool
    def __init__(self, name: _Optional[str] = ..., signing: _Optional[bool] = ...) -> None: ...

class Opener(_message.Message):
    __slots__ = ("pid", "uid", "gid", "executable", "command", "cgroup", "login_uid", "start_ticks", "parents", "user", "login_user", "unit", "container", "ssh_peer")
    PID_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    GID_FIELD_NUMBER: _ClassVar[int]
    EXECUTABLE_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    CGROUP_FIELD_NUMBER: _ClassVar[int]
    LOGIN_UID_FIELD_NUMBER: _ClassVar[int]
    START_TICKS_FIELD_NUMBER: _ClassVar[int]
    PARENTS_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    LOGIN_USER_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    SSH_PEER_FIELD_NUMBER: _ClassVar[int]
    pid: int
    uid: int
    gid: int
    executable: str
    command: str
    cgroup: str
    login_uid: int
    start_ticks: int
    parents: _containers.RepeatedScalarFieldContainer[str]
    user: str
    login_user: str
    unit: str
    container: str
    ssh_peer: str
    def __init__(self, pid: _Optional[int] = ..., uid: _Optional[int] = ..., gid: _Optional[int] = ..., executable: _Optional[str] = ..., command: _Optional[str] = ..., cgroup: _Optional[str] = ..., login_uid: _Optional[int] = ..., start_ticks: _Optional[int] = ..., parents: _Optional[_Iterable[str]] = ..., user: _Optional[str] = ..., login_user: _Optional[str] = ..., unit: _Optional[str] = ..., container: _Optional[str] = ..., ssh_peer: _Optional[str] = ...) -> None: ...

class FileIdentity(_message.Message):
    __slots__ = ("device", "inode", "size", "mtime_ns", "ctime_ns")
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    INODE_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    MTIME_NS_FIELD_NUMBER: _ClassVar[int]
    CTIME_NS_FIELD_NUMBER: _ClassVar[int]
    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int
    def __init__(self, device: _Optional[int] = ..., inode: _Optional[int] = ..., size: _Optional[int] = ..., mtime_ns: _Optional[int] = ..., ctime_ns: _Optional[int] = ...) -> None: ...

class Transfer(_message.Message):
    __slots__ = ("transfer_id", "zone", "host", "boundary", "path", "identity", "opener", "attempt_time")
    TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    BOUNDARY_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    OPENER_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_TIME_FIELD_NUMBER: _ClassVar[int]
    transfer_id: str
    zone: Zone
    host: str
    boundary: Boundary
    path: str
    identity: FileIdentity
    opener: Opener
    attempt_time: _timestamp_pb2.Timestamp
    def __init__(self, transfer_id: _Optional[str] = ..., zone: _Optional[_Union[Zone, _Mapping]] = ..., host: _Optional[str] = ..., boundary: _Optional[_Union[Boundary, str]] = ..., path: _Optional[str] = ..., identity: _Optional[_Union[FileIdentity, _Mapping]] = ..., opener: _Optional[_Union[Opener, _Mapping]] = ..., attempt_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Decision(_message.Message):
    __slots__ = ("verdict", "hold_reason", "rule", "message", "warnings", "policy_digest", "page", "opener_independent", "cache_until", "wait_until", "wait_for")
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    HOLD_REASON_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    POLICY_DIGEST_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    OPENER_INDEPENDENT_FIELD_NUMBER: _ClassVar[int]
    CACHE_UNTIL_FIELD_NUMBER: _ClassVar[int]
    WAIT_UNTIL_FIELD_NUMBER: _ClassVar[int]
    WAIT_FOR_FIELD_NUMBER: _ClassVar[int]
    verdict: Verdict
    hold_reason: HoldReason
    rule: str
    message: str
    warnings: _containers.RepeatedScalarFieldContainer[str]
    policy_digest: str
    page: bool
    opener_independent: bool
    cache_until: _timestamp_pb2.Timestamp
    wait_until: _timestamp_pb2.Timestamp
    wait_for: str
    def __init__(self, verdict: _Optional[_Union[Verdict, str]] = ..., hold_reason: _Optional[_Union[HoldReason, str]] = ..., rule: _Optional[str] = ..., message: _Optional[str] = ..., warnings: _Optional[_Iterable[str]] = ..., policy_digest: _Optional[str] = ..., page: _Optional[bool] = ..., opener_independent: _Optional[bool] = ..., cache_until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., wait_until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., wait_for: _Optional[str] = ...) -> None: ...

class Receipt(_message.Message):
    __slots__ = ("transfer_id", "verdict", "enforcement", "hold_reason", "errno_value", "quarantine_id", "quarantine_path", "opener", "enforce_time", "detail", "path")
    TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    ENFORCEMENT_FIELD_NUMBER: _ClassVar[int]
    HOLD_REASON_FIELD_NUMBER: _ClassVar[int]
    ERRNO_VALUE_FIELD_NUMBER: _ClassVar[int]
    QUARANTINE_ID_FIELD_NUMBER: _ClassVar[int]
    QUARANTINE_PATH_FIELD_NUMBER: _ClassVar[int]
    OPENER_FIELD_NUMBER: _ClassVar[int]
    ENFORCE_TIME_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    transfer_id: str
    verdict: Verdict
    enforcement: Enforcement
    hold_reason: HoldReason
    errno_value: int
    quarantine_id: str
    quarantine_path: str
    opener: Opener
    enforce_time: _timestamp_pb2.Timestamp
    detail: str
    path: str
    def __init__(self, transfer_id: _Optional[str] = ..., verdict: _Optional[_Union[Verdict, str]] = ..., enforcement: _Optional[_Union[Enforcement, str]] = ..., hold_reason: _Optional[_Union[HoldReason, str]] = ..., errno_value: _Optional[int] = ..., quarantine_id: _Optional[str] = ..., quarantine_path: _Optional[str] = ..., opener: _Optional[_Union[Opener, _Mapping]] = ..., enforce_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., detail: _Optional[str] = ..., path: _Optional[str] = ...) -> None: ...
