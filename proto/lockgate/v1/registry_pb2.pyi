import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RegisteredKey(_message.Message):
    __slots__ = ("name", "fingerprint", "algorithm", "bits", "spki", "anchor_length", "anchor_tag", "owner", "zones", "signs", "made_on", "on_leak", "hooks", "add_time", "change_time", "change_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    ALGORITHM_FIELD_NUMBER: _ClassVar[int]
    BITS_FIELD_NUMBER: _ClassVar[int]
    SPKI_FIELD_NUMBER: _ClassVar[int]
    ANCHOR_LENGTH_FIELD_NUMBER: _ClassVar[int]
    ANCHOR_TAG_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    ZONES_FIELD_NUMBER: _ClassVar[int]
    SIGNS_FIELD_NUMBER: _ClassVar[int]
    MADE_ON_FIELD_NUMBER: _ClassVar[int]
    ON_LEAK_FIELD_NUMBER: _ClassVar[int]
    HOOKS_FIELD_NUMBER: _ClassVar[int]
    ADD_TIME_FIELD_NUMBER: _ClassVar[int]
    CHANGE_TIME_FIELD_NUMBER: _ClassVar[int]
    CHANGE_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    fingerprint: str
    algorithm: str
    bits: int
    spki: bytes
    anchor_length: int
    anchor_tag: int
    owner: str
    zones: _containers.RepeatedScalarFieldContainer[str]
    signs: str
    made_on: str
    on_leak: str
    hooks: _containers.RepeatedScalarFieldContainer[str]
    add_time: _timestamp_pb2.Timestamp
    change_time: _timestamp_pb2.Timestamp
    change_id: str
    def __init__(self, name: _Optional[str] = ..., fingerprint: _Optional[str] = ..., algorithm: _Optional[str] = ..., bits: _Optional[int] = ..., spki: _Optional[bytes] = ..., anchor_length: _Optional[int] = ..., anchor_tag: _Optional[int] = ..., owner: _Optional[str] = ..., zones: _Optional[_Iterable[str]] = ..., signs: _Optional[str] = ..., made_on: _Optional[str] = ..., on_leak: _Optional[str] = ..., hooks: _Optional[_Iterable[str]] = ..., add_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., change_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., change_id: _Optional[str] = ...) -> None: ...

class ListKeysRequest(_message.Message):
    __slots__ = ("fingerprint", "offset")
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    fingerprint: str
    offset: int
    def __init__(self, fingerprint: _Optional[str] = ..., offset: _Optional[int] = ...) -> None: ...

class ListKeysResponse(_message.Message):
    __slots__ = ("keys", "total")
    KEYS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedCompositeFieldContainer[RegisteredKey]
    total: int
    def __init__(self, keys: _Optional[_Iterable[_Union[RegisteredKey, _Mapping]]] = ..., total: _Optional[int] = ...) -> None: ...

class FetchRegistryRequest(_message.Message):
    __slots__ = ("digest", "offset")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    digest: str
    offset: int
    def __init__(self, digest: _Optional[str] = ..., offset: _Optional[int] = ...) -> None: ...

class FetchRegistryResponse(_message.Message):
    __slots__ = ("digest", "size", "content")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    digest: str
    size: int
    content: bytes
    def __init__(self, digest: _Optional[str] = ..., size: _Optional[int] = ..., content: _Optional[bytes] = ...) -> None: ...
