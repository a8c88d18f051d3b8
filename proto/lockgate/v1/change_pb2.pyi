import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ChangeState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CHANGE_STATE_UNSPECIFIED: _ClassVar[ChangeState]
    CHANGE_STATE_WAITING: _ClassVar[ChangeState]
    CHANGE_STATE_MADE: _ClassVar[ChangeState]
    CHANGE_STATE_REJECTED: _ClassVar[ChangeState]
    CHANGE_STATE_EXPIRED: _ClassVar[ChangeState]
CHANGE_STATE_UNSPECIFIED: ChangeState
CHANGE_STATE_WAITING: ChangeState
CHANGE_STATE_MADE: ChangeState
CHANGE_STATE_REJECTED: ChangeState
CHANGE_STATE_EXPIRED: ChangeState

class Change(_message.Message):
    __slots__ = ("change_id", "kind", "summary", "reason", "state", "proposed_by", "decided_by", "decision_reason", "propose_time", "decide_time", "expire_time", "content_sha256")
    CHANGE_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PROPOSED_BY_FIELD_NUMBER: _ClassVar[int]
    DECIDED_BY_FIELD_NUMBER: _ClassVar[int]
    DECISION_REASON_FIELD_NUMBER: _ClassVar[int]
    PROPOSE_TIME_FIELD_NUMBER: _ClassVar[int]
    DECIDE_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    CONTENT_SHA256_FIELD_NUMBER: _ClassVar[int]
    change_id: str
    kind: str
    summary: str
    reason: str
    state: ChangeState
    proposed_by: str
    decided_by: str
    decision_reason: str
    propose_time: _timestamp_pb2.Timestamp
    decide_time: _timestamp_pb2.Timestamp
    expire_time: _timestamp_pb2.Timestamp
    content_sha256: str
    def __init__(self, change_id: _Optional[str] = ..., kind: _Optional[str] = ..., summary: _Optional[str] = ..., reason: _Optional[str] = ..., state: _Optional[_Union[ChangeState, str]] = ..., proposed_by: _Optional[str] = ..., decided_by: _Optional[str] = ..., decision_reason: _Optional[str] = ..., propose_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., decide_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., content_sha256: _Optional[str] = ...) -> None: ...

class ProposeChangeRequest(_message.Message):
    __slots__ = ("request_id", "kind", "content", "reason")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    kind: str
    content: bytes
    reason: str
    def __init__(self, request_id: _Optional[str] = ..., kind: _Optional[str] = ..., content: _Optional[bytes] = ..., reason: _Optional[str] = ...) -> None: ...

class ProposeChangeResponse(_message.Message):
    __slots__ = ("change",)
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    change: Change
    def __init__(self, change: _Optional[_Union[Change, _Mapping]] = ...) -> None: ...

class ListChangesRequest(_message.Message):
    __slots__ = ("all",)
    ALL_FIELD_NUMBER: _ClassVar[int]
    all: bool
    def __init__(self, all: _Optional[bool] = ...) -> None: ...

class ListChangesResponse(_message.Message):
    __slots__ = ("changes",)
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    changes: _containers.RepeatedCompositeFieldContainer[Change]
    def __init__(self, changes: _Optional[_Iterable[_Union[Change, _Mapping]]] = ...) -> None: ...

class GetChangeRequest(_message.Message):
    __slots__ = ("change_id",)
    CHANGE_ID_FIELD_NUMBER: _ClassVar[int]
    change_id: str
    def __init__(self, change_id: _Optional[str] = ...) -> None: ...

class GetChangeResponse(_message.Message):
    __slots__ = ("change", "content")
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    change: Change
    content: bytes
    def __init__(self, change: _Optional[_Union[Change, _Mapping]] = ..., content: _Optional[bytes] = ...) -> None: ...

class ApproveChangeRequest(_message.Message):
    __slots__ = ("request_id", "change_id", "content_sha256")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    CHANGE_ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_SHA256_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    change_id: str
    content_sha256: str
    def __init__(self, request_id: _Optional[str] = ..., change_id: _Optional[str] = ..., content_sha256: _Optional[str] = ...) -> None: ...

class ApproveChangeResponse(_message.Message):
    __slots__ = ("change",)
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    change: Change
    def __init__(self, change: _Optional[_Union[Change, _Mapping]] = ...) -> None: ...

class RejectChangeRequest(_message.Message):
    __slots__ = ("request_id", "change_id", "reason")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    CHANGE_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    change_id: str
    reason: str
    def __init__(self, request_id: _Optional[str] = ..., change_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class RejectChangeResponse(_message.Message):
    __slots__ = ("change",)
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    change: Change
    def __init__(self, change: _Optional[_Union[Change, _Mapping]] = ...) -> None: ...
