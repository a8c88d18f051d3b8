import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from lockgate.v1 import agent_pb2 as _agent_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Host(_message.Message):
    __slots__ = ("name", "enrol_time", "call_time", "certificate_expire_time", "ban_time", "ban_reason", "evict_time", "evict_reason", "presence")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ENROL_TIME_FIELD_NUMBER: _ClassVar[int]
    CALL_TIME_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    BAN_TIME_FIELD_NUMBER: _ClassVar[int]
    BAN_REASON_FIELD_NUMBER: _ClassVar[int]
    EVICT_TIME_FIELD_NUMBER: _ClassVar[int]
    EVICT_REASON_FIELD_NUMBER: _ClassVar[int]
    PRESENCE_FIELD_NUMBER: _ClassVar[int]
    name: str
    enrol_time: _timestamp_pb2.Timestamp
    call_time: _timestamp_pb2.Timestamp
    certificate_expire_time: _timestamp_pb2.Timestamp
    ban_time: _timestamp_pb2.Timestamp
    ban_reason: str
    evict_time: _timestamp_pb2.Timestamp
    evict_reason: str
    presence: AgentPresence
    def __init__(self, name: _Optional[str] = ..., enrol_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., call_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., certificate_expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ban_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ban_reason: _Optional[str] = ..., evict_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., evict_reason: _Optional[str] = ..., presence: _Optional[_Union[AgentPresence, _Mapping]] = ...) -> None: ...

class AgentPresence(_message.Message):
    __slots__ = ("version", "capabilities", "connect_time", "hear_time", "silent_since", "last_heartbeat", "health", "health_time")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    CONNECT_TIME_FIELD_NUMBER: _ClassVar[int]
    HEAR_TIME_FIELD_NUMBER: _ClassVar[int]
    SILENT_SINCE_FIELD_NUMBER: _ClassVar[int]
    LAST_HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    HEALTH_FIELD_NUMBER: _ClassVar[int]
    HEALTH_TIME_FIELD_NUMBER: _ClassVar[int]
    version: str
    capabilities: _containers.RepeatedScalarFieldContainer[_agent_pb2.Capability]
    connect_time: _timestamp_pb2.Timestamp
    hear_time: _timestamp_pb2.Timestamp
    silent_since: _timestamp_pb2.Timestamp
    last_heartbeat: int
    health: _agent_pb2.AgentHealth
    health_time: _timestamp_pb2.Timestamp
    def __init__(self, version: _Optional[str] = ..., capabilities: _Optional[_Iterable[_Union[_agent_pb2.Capability, str]]] = ..., connect_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., hear_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., silent_since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_heartbeat: _Optional[int] = ..., health: _Optional[_Union[_agent_pb2.AgentHealth, _Mapping]] = ..., health_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListHostsRequest(_message.Message):
    __slots__ = ("after",)
    AFTER_FIELD_NUMBER: _ClassVar[int]
    after: str
    def __init__(self, after: _Optional[str] = ...) -> None: ...

class ListHostsResponse(_message.Message):
    __slots__ = ("hosts",)
    HOSTS_FIELD_NUMBER: _ClassVar[int]
    hosts: _containers.RepeatedCompositeFieldContainer[Host]
    def __init__(self, hosts: _Optional[_Iterable[_Union[Host, _Mapping]]] = ...) -> None: ...

class EvictHostRequest(_message.Message):
    __slots__ = ("request_id", "host", "reason")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    host: str
    reason: str
    def __init__(self, request_id: _Optional[str] = ..., host: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class EvictHostResponse(_message.Message):
    __slots__ = ("revoked_certificates",)
    REVOKED_CERTIFICATES_FIELD_NUMBER: _ClassVar[int]
    revoked_certificates: int
    def __init__(self, revoked_certificates: _Optional[int] = ...) -> None: ...

class BanHostRequest(_message.Message):
    __slots__ = ("request_id", "host", "reason")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    host: str
    reason: str
    def __init__(self, request_id: _Optional[str] = ..., host: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class BanHostResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class UnbanHostRequest(_message.Message):
    __slots__ = ("request_id", "host", "reason")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    host: str
    reason: str
    def __init__(self, request_id: _Optional[str] = ..., host: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class UnbanHostResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SendCommandRequest(_message.Message):
    __slots__ = ("request_id", "host", "rescan_zone", "forget_decisions", "quarantine_transfer_id")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    RESCAN_ZONE_FIELD_NUMBER: _ClassVar[int]
    FORGET_DECISIONS_FIELD_NUMBER: _ClassVar[int]
    QUARANTINE_TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    host: str
    rescan_zone: str
    forget_decisions: _agent_pb2.ForgetDecisionsCommand
    quarantine_transfer_id: str
    def __init__(self, request_id: _Optional[str] = ..., host: _Optional[str] = ..., rescan_zone: _Optional[str] = ..., forget_decisions: _Optional[_Union[_agent_pb2.ForgetDecisionsCommand, _Mapping]] = ..., quarantine_transfer_id: _Optional[str] = ...) -> None: ...

class SendCommandResponse(_message.Message):
    __slots__ = ("command_id",)
    COMMAND_ID_FIELD_NUMBER: _ClassVar[int]
    command_id: str
    def __init__(self, command_id: _Optional[str] = ...) -> None: ...

class ListCommandsRequest(_message.Message):
    __slots__ = ("host",)
    HOST_FIELD_NUMBER: _ClassVar[int]
    host: str
    def __init__(self, host: _Optional[str] = ...) -> None: ...

class ListCommandsResponse(_message.Message):
    __slots__ = ("commands",)
    COMMANDS_FIELD_NUMBER: _ClassVar[int]
    commands: _containers.RepeatedCompositeFieldContainer[SentCommand]
    def __init__(self, commands: _Optional[_Iterable[_Union[SentCommand, _Mapping]]] = ...) -> None: ...

class SentCommand(_message.Message):
    __slots__ = ("command_id", "host", "action", "sent_by", "send_time", "expire_time", "deliver_time", "finish_time", "outcome", "detail")
    COMMAND_ID_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    SENT_BY_FIELD_NUMBER: _ClassVar[int]
    SEND_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    DELIVER_TIME_FIELD_NUMBER: _ClassVar[int]
    FINISH_TIME_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    command_id: str
    host: str
    action: str
    sent_by: str
    send_time: _timestamp_pb2.Timestamp
    expire_time: _timestamp_pb2.Timestamp
    deliver_time: _timestamp_pb2.Timestamp
    finish_time: _timestamp_pb2.Timestamp
    outcome: _agent_pb2.CommandOutcome
    detail: str
    def __init__(self, command_id: _Optional[str] = ..., host: _Optional[str] = ..., action: _Optional[str] = ..., sent_by: _Optional[str] = ..., send_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., deliver_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., finish_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., outcome: _Optional[_Union[_agent_pb2.CommandOutcome, str]] = ..., detail: _Optional[str] = ...) -> None: ...
