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

class Capability(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CAPABILITY_UNSPECIFIED: _ClassVar[Capability]
    CAPABILITY_RELEASE: _ClassVar[Capability]
    CAPABILITY_QUARANTINE: _ClassVar[Capability]
    CAPABILITY_RESTORE: _ClassVar[Capability]
    CAPABILITY_RESCAN: _ClassVar[Capability]
    CAPABILITY_FORGET_DECISIONS: _ClassVar[Capability]
    CAPABILITY_POLICY_OFFERS: _ClassVar[Capability]
    CAPABILITY_RULE_PACK_OFFERS: _ClassVar[Capability]

class GuardState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GUARD_STATE_UNSPECIFIED: _ClassVar[GuardState]
    GUARD_STATE_ENFORCING: _ClassVar[GuardState]
    GUARD_STATE_DEGRADED: _ClassVar[GuardState]
    GUARD_STATE_BLIND: _ClassVar[GuardState]

class OfferKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OFFER_KIND_UNSPECIFIED: _ClassVar[OfferKind]
    OFFER_KIND_POLICY: _ClassVar[OfferKind]
    OFFER_KIND_RULE_PACK: _ClassVar[OfferKind]

class CommandOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COMMAND_OUTCOME_UNSPECIFIED: _ClassVar[CommandOutcome]
    COMMAND_OUTCOME_DONE: _ClassVar[CommandOutcome]
    COMMAND_OUTCOME_FAILED: _ClassVar[CommandOutcome]
    COMMAND_OUTCOME_UNSUPPORTED: _ClassVar[CommandOutcome]
    COMMAND_OUTCOME_EXPIRED: _ClassVar[CommandOutcome]
CAPABILITY_UNSPECIFIED: Capability
CAPABILITY_RELEASE: Capability
CAPABILITY_QUARANTINE: Capability
CAPABILITY_RESTORE: Capability
CAPABILITY_RESCAN: Capability
CAPABILITY_FORGET_DECISIONS: Capability
CAPABILITY_POLICY_OFFERS: Capability
CAPABILITY_RULE_PACK_OFFERS: Capability
GUARD_STATE_UNSPECIFIED: GuardState
GUARD_STATE_ENFORCING: GuardState
GUARD_STATE_DEGRADED: GuardState
GUARD_STATE_BLIND: GuardState
OFFER_KIND_UNSPECIFIED: OfferKind
OFFER_KIND_POLICY: OfferKind
OFFER_KIND_RULE_PACK: OfferKind
COMMAND_OUTCOME_UNSPECIFIED: CommandOutcome
COMMAND_OUTCOME_DONE: CommandOutcome
COMMAND_OUTCOME_FAILED: CommandOutcome
COMMAND_OUTCOME_UNSUPPORTED: CommandOutcome
COMMAND_OUTCOME_EXPIRED: CommandOutcome

class ConnectRequest(_message.Message):
    __slots__ = ("hello", "heartbeat", "receipt")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    hello: AgentHello
    heartbeat: Heartbeat
    receipt: CommandReceipt
    def __init__(self, hello: _Optional[_Union[AgentHello, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ..., receipt: _Optional[_Union[CommandReceipt, _Mapping]] = ...) -> None: ...

class ConnectResponse(_message.Message):
    __slots__ = ("hello", "heartbeat_ack", "offer", "command", "receipt_ack")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_ACK_FIELD_NUMBER: _ClassVar[int]
    OFFER_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_ACK_FIELD_NUMBER: _ClassVar[int]
    hello: ControllerHello
    heartbeat_ack: HeartbeatAck
    offer: Offer
    command: Command
    receipt_ack: CommandReceiptAck
    def __init__(self, hello: _Optional[_Union[ControllerHello, _Mapping]] = ..., heartbeat_ack: _Optional[_Union[HeartbeatAck, _Mapping]] = ..., offer: _Optional[_Union[Offer, _Mapping]] = ..., command: _Optional[_Union[Command, _Mapping]] = ..., receipt_ack: _Optional[_Union[CommandReceiptAck, _Mapping]] = ...) -> None: ...

class AgentHello(_message.Message):
    __slots__ = ("capabilities", "version")
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    capabilities: int
    version: str
    def __init__(self, capabilities: _Optional[int] = ..., version: _Optional[str] = ...) -> None: ...

class ControllerHello(_message.Message):
    __slots__ = ("capabilities", "version", "heartbeat_seconds")
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    capabilities: int
    version: str
    heartbeat_seconds: int
    def __init__(self, capabilities: _Optional[int] = ..., version: _Optional[str] = ..., heartbeat_seconds: _Optional[int] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ("sequence", "health")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    HEALTH_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    health: AgentHealth
    def __init__(self, sequence: _Optional[int] = ..., health: _Optional[_Union[AgentHealth, _Mapping]] = ...) -> None: ...

class HeartbeatAck(_message.Message):
    __slots__ = ("sequence",)
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    def __init__(self, sequence: _Optional[int] = ...) -> None: ...

class AgentHealth(_message.Message):
    __slots__ = ("state", "reasons", "zones", "configuration_digest", "policy_digest")
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    ZONES_FIELD_NUMBER: _ClassVar[int]
    CONFIGURATION_DIGEST_FIELD_NUMBER: _ClassVar[int]
    POLICY_DIGEST_FIELD_NUMBER: _ClassVar[int]
    state: GuardState
    reasons: _containers.RepeatedScalarFieldContainer[str]
    zones: _containers.RepeatedCompositeFieldContainer[ZoneHealth]
    configuration_digest: str
    policy_digest: str
    def __init__(self, state: _Optional[_Union[GuardState, str]] = ..., reasons: _Optional[_Iterable[str]] = ..., zones: _Optional[_Iterable[_Union[ZoneHealth, _Mapping]]] = ..., configuration_digest: _Optional[str] = ..., policy_digest: _Optional[str] = ...) -> None: ...

class ZoneHealth(_message.Message):
    __slots__ = ("name", "state", "reasons")
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    name: str
    state: GuardState
    reasons: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., state: _Optional[_Union[GuardState, str]] = ..., reasons: _Optional[_Iterable[str]] = ...) -> None: ...

class Offer(_message.Message):
    __slots__ = ("kind", "digest")
    KIND_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    kind: OfferKind
    digest: str
    def __init__(self, kind: _Optional[_Union[OfferKind, str]] = ..., digest: _Optional[str] = ...) -> None: ...

class Command(_message.Message):
    __slots__ = ("command_id", "expire_time", "release", "quarantine", "restore", "rescan", "forget_decisions")
    COMMAND_ID_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    QUARANTINE_FIELD_NUMBER: _ClassVar[int]
    RESTORE_FIELD_NUMBER: _ClassVar[int]
    RESCAN_FIELD_NUMBER: _ClassVar[int]
    FORGET_DECISIONS_FIELD_NUMBER: _ClassVar[int]
    command_id: str
    expire_time: _timestamp_pb2.Timestamp
    release: ReleaseCommand
    quarantine: QuarantineCommand
    restore: RestoreCommand
    rescan: RescanCommand
    forget_decisions: ForgetDecisionsCommand
    def __init__(self, command_id: _Optional[str] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., release: _Optional[_Union[ReleaseCommand, _Mapping]] = ..., quarantine: _Optional[_Union[QuarantineCommand, _Mapping]] = ..., restore: _Optional[_Union[RestoreCommand, _Mapping]] = ..., rescan: _Optional[_Union[RescanCommand, _Mapping]] = ..., forget_decisions: _Optional[_Union[ForgetDecisionsCommand, _Mapping]] = ...) -> None: ...

class ReleaseCommand(_message.Message):
    __slots__ = ("transfer_id", "sha256")
    TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    transfer_id: str
    sha256: str
    def __init__(self, transfer_id: _Optional[str] = ..., sha256: _Optional[str] = ...) -> None: ...

class QuarantineCommand(_message.Message):
    __slots__ = ("transfer_id", "zone", "path", "identity")
    TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    transfer_id: str
    zone: _transfer_pb2.Zone
    path: str
    identity: _transfer_pb2.FileIdentity
    def __init__(self, transfer_id: _Optional[str] = ..., zone: _Optional[_Union[_transfer_pb2.Zone, _Mapping]] = ..., path: _Optional[str] = ..., identity: _Optional[_Union[_transfer_pb2.FileIdentity, _Mapping]] = ...) -> None: ...

class RestoreCommand(_message.Message):
    __slots__ = ("quarantine_id", "zone")
    QUARANTINE_ID_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    quarantine_id: str
    zone: _transfer_pb2.Zone
    def __init__(self, quarantine_id: _Optional[str] = ..., zone: _Optional[_Union[_transfer_pb2.Zone, _Mapping]] = ...) -> None: ...

class RescanCommand(_message.Message):
    __slots__ = ("zone",)
    ZONE_FIELD_NUMBER: _ClassVar[int]
    zone: _transfer_pb2.Zone
    def __init__(self, zone: _Optional[_Union[_transfer_pb2.Zone, _Mapping]] = ...) -> None: ...

class ForgetDecisionsCommand(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CommandReceipt(_message.Message):
    __slots__ = ("command_id", "outcome", "detail", "finish_time")
    COMMAND_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    FINISH_TIME_FIELD_NUMBER: _ClassVar[int]
    command_id: str
    outcome: CommandOutcome
    detail: str
    finish_time: _timestamp_pb2.Timestamp
    def __init__(self, command_id: _Optional[str] = ..., outcome: _Optional[_Union[CommandOutcome, str]] = ..., detail: _Optional[str] = ..., finish_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CommandReceiptAck(_message.Message):
    __slots__ = ("command_id",)
    COMMAND_ID_FIELD_NUMBER: _ClassVar[int]
    command_id: str
    def __init__(self, command_id: _Optional[str] = ...) -> None: ...
