import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from lockgate.v1 import transfer_pb2 as _transfer_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PolicySource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    POLICY_SOURCE_UNSPECIFIED: _ClassVar[PolicySource]
    POLICY_SOURCE_DEFAULT: _ClassVar[PolicySource]
    POLICY_SOURCE_FILES: _ClassVar[PolicySource]
    POLICY_SOURCE_CHANGE: _ClassVar[PolicySource]

class PolicyState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    POLICY_STATE_UNSPECIFIED: _ClassVar[PolicyState]
    POLICY_STATE_ROLLING: _ClassVar[PolicyState]
    POLICY_STATE_ACTIVE: _ClassVar[PolicyState]
    POLICY_STATE_ROLLED_BACK: _ClassVar[PolicyState]
    POLICY_STATE_SUPERSEDED: _ClassVar[PolicyState]
POLICY_SOURCE_UNSPECIFIED: PolicySource
POLICY_SOURCE_DEFAULT: PolicySource
POLICY_SOURCE_FILES: PolicySource
POLICY_SOURCE_CHANGE: PolicySource
POLICY_STATE_UNSPECIFIED: PolicyState
POLICY_STATE_ROLLING: PolicyState
POLICY_STATE_ACTIVE: PolicyState
POLICY_STATE_ROLLED_BACK: PolicyState
POLICY_STATE_SUPERSEDED: PolicyState

class PolicyVersion(_message.Message):
    __slots__ = ("version", "digest", "source", "state", "rings", "create_time", "change_time", "change_id", "reason")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    RINGS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    CHANGE_TIME_FIELD_NUMBER: _ClassVar[int]
    CHANGE_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    version: int
    digest: str
    source: PolicySource
    state: PolicyState
    rings: _containers.RepeatedScalarFieldContainer[str]
    create_time: _timestamp_pb2.Timestamp
    change_time: _timestamp_pb2.Timestamp
    change_id: str
    reason: str
    def __init__(self, version: _Optional[int] = ..., digest: _Optional[str] = ..., source: _Optional[_Union[PolicySource, str]] = ..., state: _Optional[_Union[PolicyState, str]] = ..., rings: _Optional[_Iterable[str]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., change_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., change_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class PolicyDocument(_message.Message):
    __slots__ = ("name", "text")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    name: str
    text: str
    def __init__(self, name: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class ListPoliciesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListPoliciesResponse(_message.Message):
    __slots__ = ("versions",)
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    versions: _containers.RepeatedCompositeFieldContainer[PolicyVersion]
    def __init__(self, versions: _Optional[_Iterable[_Union[PolicyVersion, _Mapping]]] = ...) -> None: ...

class GetPolicyRequest(_message.Message):
    __slots__ = ("version",)
    VERSION_FIELD_NUMBER: _ClassVar[int]
    version: int
    def __init__(self, version: _Optional[int] = ...) -> None: ...

class GetPolicyResponse(_message.Message):
    __slots__ = ("version", "documents")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    version: PolicyVersion
    documents: _containers.RepeatedCompositeFieldContainer[PolicyDocument]
    def __init__(self, version: _Optional[_Union[PolicyVersion, _Mapping]] = ..., documents: _Optional[_Iterable[_Union[PolicyDocument, _Mapping]]] = ...) -> None: ...

class ReplayPolicyRequest(_message.Message):
    __slots__ = ("documents", "since", "limit")
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    documents: _containers.RepeatedCompositeFieldContainer[PolicyDocument]
    since: _timestamp_pb2.Timestamp
    limit: int
    def __init__(self, documents: _Optional[_Iterable[_Union[PolicyDocument, _Mapping]]] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., limit: _Optional[int] = ...) -> None: ...

class ReplayChange(_message.Message):
    __slots__ = ("zone", "host", "classes", "old_verdict", "old_hold_reason", "old_rule", "new_verdict", "new_hold_reason", "new_rule", "count", "transfer_ids")
    ZONE_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    OLD_VERDICT_FIELD_NUMBER: _ClassVar[int]
    OLD_HOLD_REASON_FIELD_NUMBER: _ClassVar[int]
    OLD_RULE_FIELD_NUMBER: _ClassVar[int]
    NEW_VERDICT_FIELD_NUMBER: _ClassVar[int]
    NEW_HOLD_REASON_FIELD_NUMBER: _ClassVar[int]
    NEW_RULE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    TRANSFER_IDS_FIELD_NUMBER: _ClassVar[int]
    zone: str
    host: str
    classes: _containers.RepeatedScalarFieldContainer[str]
    old_verdict: _transfer_pb2.Verdict
    old_hold_reason: _transfer_pb2.HoldReason
    old_rule: str
    new_verdict: _transfer_pb2.Verdict
    new_hold_reason: _transfer_pb2.HoldReason
    new_rule: str
    count: int
    transfer_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, zone: _Optional[str] = ..., host: _Optional[str] = ..., classes: _Optional[_Iterable[str]] = ..., old_verdict: _Optional[_Union[_transfer_pb2.Verdict, str]] = ..., old_hold_reason: _Optional[_Union[_transfer_pb2.HoldReason, str]] = ..., old_rule: _Optional[str] = ..., new_verdict: _Optional[_Union[_transfer_pb2.Verdict, str]] = ..., new_hold_reason: _Optional[_Union[_transfer_pb2.HoldReason, str]] = ..., new_rule: _Optional[str] = ..., count: _Optional[int] = ..., transfer_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class ReplayPolicyResponse(_message.Message):
    __slots__ = ("digest", "transfers", "changed", "changes", "unreadable")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    TRANSFERS_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    UNREADABLE_FIELD_NUMBER: _ClassVar[int]
    digest: str
    transfers: int
    changed: int
    changes: _containers.RepeatedCompositeFieldContainer[ReplayChange]
    unreadable: int
    def __init__(self, digest: _Optional[str] = ..., transfers: _Optional[int] = ..., changed: _Optional[int] = ..., changes: _Optional[_Iterable[_Union[ReplayChange, _Mapping]]] = ..., unreadable: _Optional[int] = ...) -> None: ...

class PromotePolicyRequest(_message.Message):
    __slots__ = ("request_id", "version")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    version: int
    def __init__(self, request_id: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class PromotePolicyResponse(_message.Message):
    __slots__ = ("version",)
    VERSION_FIELD_NUMBER: _ClassVar[int]
    version: PolicyVersion
    def __init__(self, version: _Optional[_Union[PolicyVersion, _Mapping]] = ...) -> None: ...

class RollBackPolicyRequest(_message.Message):
    __slots__ = ("request_id", "version", "reason")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    version: int
    reason: str
    def __init__(self, request_id: _Optional[str] = ..., version: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class RollBackPolicyResponse(_message.Message):
    __slots__ = ("version",)
    VERSION_FIELD_NUMBER: _ClassVar[int]
    version: PolicyVersion
    def __init__(self, version: _Optional[_Union[PolicyVersion, _Mapping]] = ...) -> None: ...
