from lockgate.v1 import report_pb2 as _report_pb2
from lockgate.v1 import transfer_pb2 as _transfer_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GuardChange(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GUARD_CHANGE_UNSPECIFIED: _ClassVar[GuardChange]
    GUARD_CHANGE_ARMED: _ClassVar[GuardChange]
    GUARD_CHANGE_DISARMED: _ClassVar[GuardChange]
    GUARD_CHANGE_BLIND: _ClassVar[GuardChange]
    GUARD_CHANGE_RECOVERED: _ClassVar[GuardChange]
    GUARD_CHANGE_DEGRADED: _ClassVar[GuardChange]
    GUARD_CHANGE_INTAKE_DRIFT: _ClassVar[GuardChange]
    GUARD_CHANGE_INTAKE_ENABLED: _ClassVar[GuardChange]
    GUARD_CHANGE_INTAKE_DISABLED: _ClassVar[GuardChange]
GUARD_CHANGE_UNSPECIFIED: GuardChange
GUARD_CHANGE_ARMED: GuardChange
GUARD_CHANGE_DISARMED: GuardChange
GUARD_CHANGE_BLIND: GuardChange
GUARD_CHANGE_RECOVERED: GuardChange
GUARD_CHANGE_DEGRADED: GuardChange
GUARD_CHANGE_INTAKE_DRIFT: GuardChange
GUARD_CHANGE_INTAKE_ENABLED: GuardChange
GUARD_CHANGE_INTAKE_DISABLED: GuardChange

class RequestVerdictRequest(_message.Message):
    __slots__ = ("request_id", "sequence", "transfer", "report")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    TRANSFER_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    sequence: int
    transfer: _transfer_pb2.Transfer
    report: _report_pb2.Report
    def __init__(self, request_id: _Optional[str] = ..., sequence: _Optional[int] = ..., transfer: _Optional[_Union[_transfer_pb2.Transfer, _Mapping]] = ..., report: _Optional[_Union[_report_pb2.Report, _Mapping]] = ...) -> None: ...

class RequestVerdictResponse(_message.Message):
    __slots__ = ("decision", "ledger_index", "passport")
    DECISION_FIELD_NUMBER: _ClassVar[int]
    LEDGER_INDEX_FIELD_NUMBER: _ClassVar[int]
    PASSPORT_FIELD_NUMBER: _ClassVar[int]
    decision: _transfer_pb2.Decision
    ledger_index: int
    passport: bytes
    def __init__(self, decision: _Optional[_Union[_transfer_pb2.Decision, _Mapping]] = ..., ledger_index: _Optional[int] = ..., passport: _Optional[bytes] = ...) -> None: ...

class ReportEnforcementRequest(_message.Message):
    __slots__ = ("request_id", "sequence", "receipt")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    sequence: int
    receipt: _transfer_pb2.Receipt
    def __init__(self, request_id: _Optional[str] = ..., sequence: _Optional[int] = ..., receipt: _Optional[_Union[_transfer_pb2.Receipt, _Mapping]] = ...) -> None: ...

class ReportEnforcementResponse(_message.Message):
    __slots__ = ("ledger_index",)
    LEDGER_INDEX_FIELD_NUMBER: _ClassVar[int]
    ledger_index: int
    def __init__(self, ledger_index: _Optional[int] = ...) -> None: ...

class ReportGuardRequest(_message.Message):
    __slots__ = ("request_id", "sequence", "zone", "host", "change", "detail")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    sequence: int
    zone: _transfer_pb2.Zone
    host: str
    change: GuardChange
    detail: str
    def __init__(self, request_id: _Optional[str] = ..., sequence: _Optional[int] = ..., zone: _Optional[_Union[_transfer_pb2.Zone, _Mapping]] = ..., host: _Optional[str] = ..., change: _Optional[_Union[GuardChange, str]] = ..., detail: _Optional[str] = ...) -> None: ...

class ReportGuardResponse(_message.Message):
    __slots__ = ("ledger_index",)
    LEDGER_INDEX_FIELD_NUMBER: _ClassVar[int]
    ledger_index: int
    def __init__(self, ledger_index: _Optional[int] = ...) -> None: ...
