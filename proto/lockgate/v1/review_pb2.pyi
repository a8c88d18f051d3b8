import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from lockgate.v1 import report_pb2 as _report_pb2
from lockgate.v1 import transfer_pb2 as _transfer_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ReleaseState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RELEASE_STATE_UNSPECIFIED: _ClassVar[ReleaseState]
    RELEASE_STATE_REQUESTED: _ClassVar[ReleaseState]
    RELEASE_STATE_VOTING: _ClassVar[ReleaseState]
    RELEASE_STATE_BREAK_GLASS: _ClassVar[ReleaseState]
    RELEASE_STATE_APPROVED: _ClassVar[ReleaseState]
    RELEASE_STATE_RESTORING: _ClassVar[ReleaseState]
    RELEASE_STATE_RELEASING: _ClassVar[ReleaseState]
    RELEASE_STATE_RELEASED: _ClassVar[ReleaseState]
    RELEASE_STATE_DECLINED: _ClassVar[ReleaseState]
    RELEASE_STATE_WITHDRAWN: _ClassVar[ReleaseState]
    RELEASE_STATE_EXPIRED: _ClassVar[ReleaseState]
    RELEASE_STATE_FAILED: _ClassVar[ReleaseState]
    RELEASE_STATE_VOID: _ClassVar[ReleaseState]

class VoteChoice(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VOTE_CHOICE_UNSPECIFIED: _ClassVar[VoteChoice]
    VOTE_CHOICE_APPROVE: _ClassVar[VoteChoice]
    VOTE_CHOICE_DECLINE: _ClassVar[VoteChoice]
RELEASE_STATE_UNSPECIFIED: ReleaseState
RELEASE_STATE_REQUESTED: ReleaseState
RELEASE_STATE_VOTING: ReleaseState
RELEASE_STATE_BREAK_GLASS: ReleaseState
RELEASE_STATE_APPROVED: ReleaseState
RELEASE_STATE_RESTORING: ReleaseState
RELEASE_STATE_RELEASING: ReleaseState
RELEASE_STATE_RELEASED: ReleaseState
RELEASE_STATE_DECLINED: ReleaseState
RELEASE_STATE_WITHDRAWN: ReleaseState
RELEASE_STATE_EXPIRED: ReleaseState
RELEASE_STATE_FAILED: ReleaseState
RELEASE_STATE_VOID: ReleaseState
VOTE_CHOICE_UNSPECIFIED: VoteChoice
VOTE_CHOICE_APPROVE: VoteChoice
VOTE_CHOICE_DECLINE: VoteChoice

class ReleaseVote(_message.Message):
    __slots__ = ("person", "choice", "reason")
    PERSON_FIELD_NUMBER: _ClassVar[int]
    CHOICE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    person: str
    choice: VoteChoice
    reason: str
    def __init__(self, person: _Optional[str] = ..., choice: _Optional[_Union[VoteChoice, str]] = ..., reason: _Optional[str] = ...) -> None: ...

class Release(_message.Message):
    __slots__ = ("release_id", "state", "owner", "deadline", "valid_until", "transfer_id", "host", "zone", "boundary", "verdict", "rule", "sha256", "report_digest", "rule_pack", "size", "classes", "findings", "requested_by", "reason", "request_time", "change_time", "reviewers", "voted", "votes", "breakers")
    RELEASE_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_FIELD_NUMBER: _ClassVar[int]
    VALID_UNTIL_FIELD_NUMBER: _ClassVar[int]
    TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    BOUNDARY_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    REPORT_DIGEST_FIELD_NUMBER: _ClassVar[int]
    RULE_PACK_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_BY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    REQUEST_TIME_FIELD_NUMBER: _ClassVar[int]
    CHANGE_TIME_FIELD_NUMBER: _ClassVar[int]
    REVIEWERS_FIELD_NUMBER: _ClassVar[int]
    VOTED_FIELD_NUMBER: _ClassVar[int]
    VOTES_FIELD_NUMBER: _ClassVar[int]
    BREAKERS_FIELD_NUMBER: _ClassVar[int]
    release_id: str
    state: ReleaseState
    owner: str
    deadline: _timestamp_pb2.Timestamp
    valid_until: _timestamp_pb2.Timestamp
    transfer_id: str
    host: str
    zone: _transfer_pb2.Zone
    boundary: _transfer_pb2.Boundary
    verdict: _transfer_pb2.Verdict
    rule: str
    sha256: str
    report_digest: str
    rule_pack: str
    size: int
    classes: _containers.RepeatedScalarFieldContainer[_report_pb2.FindingClass]
    findings: _containers.RepeatedCompositeFieldContainer[_report_pb2.Finding]
    requested_by: str
    reason: str
    request_time: _timestamp_pb2.Timestamp
    change_time: _timestamp_pb2.Timestamp
    reviewers: _containers.RepeatedScalarFieldContainer[str]
    voted: _containers.RepeatedScalarFieldContainer[str]
    votes: _containers.RepeatedCompositeFieldContainer[ReleaseVote]
    breakers: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, release_id: _Optional[str] = ..., state: _Optional[_Union[ReleaseState, str]] = ..., owner: _Optional[str] = ..., deadline: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., valid_until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., transfer_id: _Optional[str] = ..., host: _Optional[str] = ..., zone: _Optional[_Union[_transfer_pb2.Zone, _Mapping]] = ..., boundary: _Optional[_Union[_transfer_pb2.Boundary, str]] = ..., verdict: _Optional[_Union[_transfer_pb2.Verdict, str]] = ..., rule: _Optional[str] = ..., sha256: _Optional[str] = ..., report_digest: _Optional[str] = ..., rule_pack: _Optional[str] = ..., size: _Optional[int] = ..., classes: _Optional[_Iterable[_Union[_report_pb2.FindingClass, str]]] = ..., findings: _Optional[_Iterable[_Union[_report_pb2.Finding, _Mapping]]] = ..., requested_by: _Optional[str] = ..., reason: _Optional[str] = ..., request_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., change_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reviewers: _Optional[_Iterable[str]] = ..., voted: _Optional[_Iterable[str]] = ..., votes: _Optional[_Iterable[_Union[ReleaseVote, _Mapping]]] = ..., breakers: _Optional[_Iterable[str]] = ...) -> None: ...

class Hold(_message.Message):
    __slots__ = ("transfer_id", "host", "zone", "verdict", "rule", "owner", "deadline", "begin_time", "escalations")
    TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_FIELD_NUMBER: _ClassVar[int]
    BEGIN_TIME_FIELD_NUMBER: _ClassVar[int]
    ESCALATIONS_FIELD_NUMBER: _ClassVar[int]
    transfer_id: str
    host: str
    zone: str
    verdict: _transfer_pb2.Verdict
    rule: str
    owner: str
    deadline: _timestamp_pb2.Timestamp
    begin_time: _timestamp_pb2.Timestamp
    escalations: int
    def __init__(self, transfer_id: _Optional[str] = ..., host: _Optional[str] = ..., zone: _Optional[str] = ..., verdict: _Optional[_Union[_transfer_pb2.Verdict, str]] = ..., rule: _Optional[str] = ..., owner: _Optional[str] = ..., deadline: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., begin_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., escalations: _Optional[int] = ...) -> None: ...

class RequestReleaseRequest(_message.Message):
    __slots__ = ("request_id", "transfer_id", "reason")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    transfer_id: str
    reason: str
    def __init__(self, request_id: _Optional[str] = ..., transfer_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class RequestReleaseResponse(_message.Message):
    __slots__ = ("release",)
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    release: Release
    def __init__(self, release: _Optional[_Union[Release, _Mapping]] = ...) -> None: ...

class ListReleasesRequest(_message.Message):
    __slots__ = ("all",)
    ALL_FIELD_NUMBER: _ClassVar[int]
    all: bool
    def __init__(self, all: _Optional[bool] = ...) -> None: ...

class ListReleasesResponse(_message.Message):
    __slots__ = ("releases", "holds")
    RELEASES_FIELD_NUMBER: _ClassVar[int]
    HOLDS_FIELD_NUMBER: _ClassVar[int]
    releases: _containers.RepeatedCompositeFieldContainer[Release]
    holds: _containers.RepeatedCompositeFieldContainer[Hold]
    def __init__(self, releases: _Optional[_Iterable[_Union[Release, _Mapping]]] = ..., holds: _Optional[_Iterable[_Union[Hold, _Mapping]]] = ...) -> None: ...

class GetReleaseRequest(_message.Message):
    __slots__ = ("release_id",)
    RELEASE_ID_FIELD_NUMBER: _ClassVar[int]
    release_id: str
    def __init__(self, release_id: _Optional[str] = ...) -> None: ...

class GetReleaseResponse(_message.Message):
    __slots__ = ("release",)
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    release: Release
    def __init__(self, release: _Optional[_Union[Release, _Mapping]] = ...) -> None: ...

class VoteRequest(_message.Message):
    __slots__ = ("request_id", "release_id", "choice", "reason")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    RELEASE_ID_FIELD_NUMBER: _ClassVar[int]
    CHOICE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    release_id: str
    choice: VoteChoice
    reason: str
    def __init__(self, request_id: _Optional[str] = ..., release_id: _Optional[str] = ..., choice: _Optional[_Union[VoteChoice, str]] = ..., reason: _Optional[str] = ...) -> None: ...

class VoteResponse(_message.Message):
    __slots__ = ("release",)
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    release: Release
    def __init__(self, release: _Optional[_Union[Release, _Mapping]] = ...) -> None: ...

class WithdrawRequest(_message.Message):
    __slots__ = ("request_id", "release_id")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    RELEASE_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    release_id: str
    def __init__(self, request_id: _Optional[str] = ..., release_id: _Optional[str] = ...) -> None: ...

class WithdrawResponse(_message.Message):
    __slots__ = ("release",)
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    release: Release
    def __init__(self, release: _Optional[_Union[Release, _Mapping]] = ...) -> None: ...

class BreakGlassRequest(_message.Message):
    __slots__ = ("request_id", "release_id", "reason")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    RELEASE_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    release_id: str
    reason: str
    def __init__(self, request_id: _Optional[str] = ..., release_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class BreakGlassResponse(_message.Message):
    __slots__ = ("release",)
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    release: Release
    def __init__(self, release: _Optional[_Union[Release, _Mapping]] = ...) -> None: ...
