import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from lockgate.v1 import registry_pb2 as _registry_pb2
from lockgate.v1 import report_pb2 as _report_pb2
from lockgate.v1 import transfer_pb2 as _transfer_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class IncidentState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    INCIDENT_STATE_UNSPECIFIED: _ClassVar[IncidentState]
    INCIDENT_STATE_OPEN: _ClassVar[IncidentState]
    INCIDENT_STATE_ACKNOWLEDGED: _ClassVar[IncidentState]
    INCIDENT_STATE_CLOSED: _ClassVar[IncidentState]

class TriageAs(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRIAGE_AS_UNSPECIFIED: _ClassVar[TriageAs]
    TRIAGE_AS_TEST: _ClassVar[TriageAs]
    TRIAGE_AS_ACCEPTED: _ClassVar[TriageAs]

class HookAction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    HOOK_ACTION_UNSPECIFIED: _ClassVar[HookAction]
    HOOK_ACTION_PAGE: _ClassVar[HookAction]
    HOOK_ACTION_REVOKE: _ClassVar[HookAction]

class RunState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RUN_STATE_UNSPECIFIED: _ClassVar[RunState]
    RUN_STATE_UNCONFIRMED: _ClassVar[RunState]
    RUN_STATE_WAITING: _ClassVar[RunState]
    RUN_STATE_RUNNING: _ClassVar[RunState]
    RUN_STATE_DONE: _ClassVar[RunState]
    RUN_STATE_REFUSED: _ClassVar[RunState]
INCIDENT_STATE_UNSPECIFIED: IncidentState
INCIDENT_STATE_OPEN: IncidentState
INCIDENT_STATE_ACKNOWLEDGED: IncidentState
INCIDENT_STATE_CLOSED: IncidentState
TRIAGE_AS_UNSPECIFIED: TriageAs
TRIAGE_AS_TEST: TriageAs
TRIAGE_AS_ACCEPTED: TriageAs
HOOK_ACTION_UNSPECIFIED: HookAction
HOOK_ACTION_PAGE: HookAction
HOOK_ACTION_REVOKE: HookAction
RUN_STATE_UNSPECIFIED: RunState
RUN_STATE_UNCONFIRMED: RunState
RUN_STATE_WAITING: RunState
RUN_STATE_RUNNING: RunState
RUN_STATE_DONE: RunState
RUN_STATE_REFUSED: RunState

class Incident(_message.Message):
    __slots__ = ("incident_id", "fingerprint", "kind", "finding_class", "algorithm", "bits", "protected_name", "owner", "state", "changed_by", "change_time", "reason", "first_seen_time", "last_seen_time", "sighting_count", "ruling", "places", "place_count")
    INCIDENT_ID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    FINDING_CLASS_FIELD_NUMBER: _ClassVar[int]
    ALGORITHM_FIELD_NUMBER: _ClassVar[int]
    BITS_FIELD_NUMBER: _ClassVar[int]
    PROTECTED_NAME_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CHANGED_BY_FIELD_NUMBER: _ClassVar[int]
    CHANGE_TIME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    FIRST_SEEN_TIME_FIELD_NUMBER: _ClassVar[int]
    LAST_SEEN_TIME_FIELD_NUMBER: _ClassVar[int]
    SIGHTING_COUNT_FIELD_NUMBER: _ClassVar[int]
    RULING_FIELD_NUMBER: _ClassVar[int]
    PLACES_FIELD_NUMBER: _ClassVar[int]
    PLACE_COUNT_FIELD_NUMBER: _ClassVar[int]
    incident_id: str
    fingerprint: str
    kind: _report_pb2.FindingKind
    finding_class: _report_pb2.FindingClass
    algorithm: str
    bits: int
    protected_name: str
    owner: str
    state: IncidentState
    changed_by: str
    change_time: _timestamp_pb2.Timestamp
    reason: str
    first_seen_time: _timestamp_pb2.Timestamp
    last_seen_time: _timestamp_pb2.Timestamp
    sighting_count: int
    ruling: Ruling
    places: _containers.RepeatedCompositeFieldContainer[IncidentPlace]
    place_count: int
    def __init__(self, incident_id: _Optional[str] = ..., fingerprint: _Optional[str] = ..., kind: _Optional[_Union[_report_pb2.FindingKind, str]] = ..., finding_class: _Optional[_Union[_report_pb2.FindingClass, str]] = ..., algorithm: _Optional[str] = ..., bits: _Optional[int] = ..., protected_name: _Optional[str] = ..., owner: _Optional[str] = ..., state: _Optional[_Union[IncidentState, str]] = ..., changed_by: _Optional[str] = ..., change_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reason: _Optional[str] = ..., first_seen_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_seen_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., sighting_count: _Optional[int] = ..., ruling: _Optional[_Union[Ruling, _Mapping]] = ..., places: _Optional[_Iterable[_Union[IncidentPlace, _Mapping]]] = ..., place_count: _Optional[int] = ...) -> None: ...

class IncidentPlace(_message.Message):
    __slots__ = ("host", "zone", "first_seen_time", "last_seen_time", "sighting_count", "misplaced")
    HOST_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    FIRST_SEEN_TIME_FIELD_NUMBER: _ClassVar[int]
    LAST_SEEN_TIME_FIELD_NUMBER: _ClassVar[int]
    SIGHTING_COUNT_FIELD_NUMBER: _ClassVar[int]
    MISPLACED_FIELD_NUMBER: _ClassVar[int]
    host: str
    zone: str
    first_seen_time: _timestamp_pb2.Timestamp
    last_seen_time: _timestamp_pb2.Timestamp
    sighting_count: int
    misplaced: bool
    def __init__(self, host: _Optional[str] = ..., zone: _Optional[str] = ..., first_seen_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_seen_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., sighting_count: _Optional[int] = ..., misplaced: _Optional[bool] = ...) -> None: ...

class IncidentSighting(_message.Message):
    __slots__ = ("transfer_id", "host", "zone", "boundary", "path", "sha256", "verdict", "attempt_time", "ledger_index", "opener", "readings", "erased")
    TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    BOUNDARY_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_TIME_FIELD_NUMBER: _ClassVar[int]
    LEDGER_INDEX_FIELD_NUMBER: _ClassVar[int]
    OPENER_FIELD_NUMBER: _ClassVar[int]
    READINGS_FIELD_NUMBER: _ClassVar[int]
    ERASED_FIELD_NUMBER: _ClassVar[int]
    transfer_id: str
    host: str
    zone: str
    boundary: _transfer_pb2.Boundary
    path: str
    sha256: str
    verdict: _transfer_pb2.Verdict
    attempt_time: _timestamp_pb2.Timestamp
    ledger_index: int
    opener: _transfer_pb2.Opener
    readings: _containers.RepeatedCompositeFieldContainer[IncidentReading]
    erased: bool
    def __init__(self, transfer_id: _Optional[str] = ..., host: _Optional[str] = ..., zone: _Optional[str] = ..., boundary: _Optional[_Union[_transfer_pb2.Boundary, str]] = ..., path: _Optional[str] = ..., sha256: _Optional[str] = ..., verdict: _Optional[_Union[_transfer_pb2.Verdict, str]] = ..., attempt_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ledger_index: _Optional[int] = ..., opener: _Optional[_Union[_transfer_pb2.Opener, _Mapping]] = ..., readings: _Optional[_Iterable[_Union[IncidentReading, _Mapping]]] = ..., erased: _Optional[bool] = ...) -> None: ...

class IncidentReading(_message.Message):
    __slots__ = ("enforcement", "enforce_time", "opener", "path", "ledger_index")
    ENFORCEMENT_FIELD_NUMBER: _ClassVar[int]
    ENFORCE_TIME_FIELD_NUMBER: _ClassVar[int]
    OPENER_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    LEDGER_INDEX_FIELD_NUMBER: _ClassVar[int]
    enforcement: _transfer_pb2.Enforcement
    enforce_time: _timestamp_pb2.Timestamp
    opener: _transfer_pb2.Opener
    path: str
    ledger_index: int
    def __init__(self, enforcement: _Optional[_Union[_transfer_pb2.Enforcement, str]] = ..., enforce_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., opener: _Optional[_Union[_transfer_pb2.Opener, _Mapping]] = ..., path: _Optional[str] = ..., ledger_index: _Optional[int] = ...) -> None: ...

class Ruling(_message.Message):
    __slots__ = ("ruling_id", "fingerprint", "triage_as", "reason", "make_time", "until", "proposed_by", "approved_by", "end_time", "ended_by")
    RULING_ID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    TRIAGE_AS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MAKE_TIME_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    PROPOSED_BY_FIELD_NUMBER: _ClassVar[int]
    APPROVED_BY_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    ENDED_BY_FIELD_NUMBER: _ClassVar[int]
    ruling_id: str
    fingerprint: str
    triage_as: TriageAs
    reason: str
    make_time: _timestamp_pb2.Timestamp
    until: _timestamp_pb2.Timestamp
    proposed_by: str
    approved_by: str
    end_time: _timestamp_pb2.Timestamp
    ended_by: str
    def __init__(self, ruling_id: _Optional[str] = ..., fingerprint: _Optional[str] = ..., triage_as: _Optional[_Union[TriageAs, str]] = ..., reason: _Optional[str] = ..., make_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., proposed_by: _Optional[str] = ..., approved_by: _Optional[str] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ended_by: _Optional[str] = ...) -> None: ...

class HookRun(_message.Message):
    __slots__ = ("run_id", "hook", "action", "cause", "state", "queue_time", "attempts", "end_time", "status", "error", "receipt_index", "change_id")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    HOOK_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    QUEUE_TIME_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_INDEX_FIELD_NUMBER: _ClassVar[int]
    CHANGE_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    hook: str
    action: HookAction
    cause: str
    state: RunState
    queue_time: _timestamp_pb2.Timestamp
    attempts: int
    end_time: _timestamp_pb2.Timestamp
    status: int
    error: str
    receipt_index: int
    change_id: str
    def __init__(self, run_id: _Optional[str] = ..., hook: _Optional[str] = ..., action: _Optional[_Union[HookAction, str]] = ..., cause: _Optional[str] = ..., state: _Optional[_Union[RunState, str]] = ..., queue_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., attempts: _Optional[int] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., status: _Optional[int] = ..., error: _Optional[str] = ..., receipt_index: _Optional[int] = ..., change_id: _Optional[str] = ...) -> None: ...

class ListIncidentsRequest(_message.Message):
    __slots__ = ("state",)
    STATE_FIELD_NUMBER: _ClassVar[int]
    state: IncidentState
    def __init__(self, state: _Optional[_Union[IncidentState, str]] = ...) -> None: ...

class ListIncidentsResponse(_message.Message):
    __slots__ = ("incidents",)
    INCIDENTS_FIELD_NUMBER: _ClassVar[int]
    incidents: _containers.RepeatedCompositeFieldContainer[Incident]
    def __init__(self, incidents: _Optional[_Iterable[_Union[Incident, _Mapping]]] = ...) -> None: ...

class GetIncidentRequest(_message.Message):
    __slots__ = ("incident",)
    INCIDENT_FIELD_NUMBER: _ClassVar[int]
    incident: str
    def __init__(self, incident: _Optional[str] = ...) -> None: ...

class GetIncidentResponse(_message.Message):
    __slots__ = ("incident", "key", "sightings", "runs", "rulings")
    INCIDENT_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    SIGHTINGS_FIELD_NUMBER: _ClassVar[int]
    RUNS_FIELD_NUMBER: _ClassVar[int]
    RULINGS_FIELD_NUMBER: _ClassVar[int]
    incident: Incident
    key: _registry_pb2.RegisteredKey
    sightings: _containers.RepeatedCompositeFieldContainer[IncidentSighting]
    runs: _containers.RepeatedCompositeFieldContainer[HookRun]
    rulings: _containers.RepeatedCompositeFieldContainer[Ruling]
    def __init__(self, incident: _Optional[_Union[Incident, _Mapping]] = ..., key: _Optional[_Union[_registry_pb2.RegisteredKey, _Mapping]] = ..., sightings: _Optional[_Iterable[_Union[IncidentSighting, _Mapping]]] = ..., runs: _Optional[_Iterable[_Union[HookRun, _Mapping]]] = ..., rulings: _Optional[_Iterable[_Union[Ruling, _Mapping]]] = ...) -> None: ...

class AcknowledgeIncidentRequest(_message.Message):
    __slots__ = ("request_id", "incident", "reason")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    INCIDENT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    incident: str
    reason: str
    def __init__(self, request_id: _Optional[str] = ..., incident: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class AcknowledgeIncidentResponse(_message.Message):
    __slots__ = ("incident",)
    INCIDENT_FIELD_NUMBER: _ClassVar[int]
    incident: Incident
    def __init__(self, incident: _Optional[_Union[Incident, _Mapping]] = ...) -> None: ...

class CloseIncidentRequest(_message.Message):
    __slots__ = ("request_id", "incident", "reason")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    INCIDENT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    incident: str
    reason: str
    def __init__(self, request_id: _Optional[str] = ..., incident: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class CloseIncidentResponse(_message.Message):
    __slots__ = ("incident",)
    INCIDENT_FIELD_NUMBER: _ClassVar[int]
    incident: Incident
    def __init__(self, incident: _Optional[_Union[Incident, _Mapping]] = ...) -> None: ...

class ListRulingsRequest(_message.Message):
    __slots__ = ("fingerprint",)
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    fingerprint: str
    def __init__(self, fingerprint: _Optional[str] = ...) -> None: ...

class ListRulingsResponse(_message.Message):
    __slots__ = ("rulings",)
    RULINGS_FIELD_NUMBER: _ClassVar[int]
    rulings: _containers.RepeatedCompositeFieldContainer[Ruling]
    def __init__(self, rulings: _Optional[_Iterable[_Union[Ruling, _Mapping]]] = ...) -> None: ...

class WithdrawRulingRequest(_message.Message):
    __slots__ = ("request_id", "fingerprint")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    fingerprint: str
    def __init__(self, request_id: _Optional[str] = ..., fingerprint: _Optional[str] = ...) -> None: ...

class WithdrawRulingResponse(_message.Message):
    __slots__ = ("ruling",)
    RULING_FIELD_NUMBER: _ClassVar[int]
    ruling: Ruling
    def __init__(self, ruling: _Optional[_Union[Ruling, _Mapping]] = ...) -> None: ...
