import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Role(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROLE_UNSPECIFIED: _ClassVar[Role]
    ROLE_VIEWER: _ClassVar[Role]
    ROLE_ENGINEER: _ClassVar[Role]
    ROLE_ZONE_OWNER: _ClassVar[Role]
    ROLE_SERVICE_OWNER: _ClassVar[Role]
    ROLE_SECURITY: _ClassVar[Role]
    ROLE_ON_CALL: _ClassVar[Role]
    ROLE_ADMINISTRATOR: _ClassVar[Role]
ROLE_UNSPECIFIED: Role
ROLE_VIEWER: Role
ROLE_ENGINEER: Role
ROLE_ZONE_OWNER: Role
ROLE_SERVICE_OWNER: Role
ROLE_SECURITY: Role
ROLE_ON_CALL: Role
ROLE_ADMINISTRATOR: Role

class Person(_message.Message):
    __slots__ = ("person_id", "name", "roles", "add_time")
    PERSON_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ROLES_FIELD_NUMBER: _ClassVar[int]
    ADD_TIME_FIELD_NUMBER: _ClassVar[int]
    person_id: str
    name: str
    roles: _containers.RepeatedScalarFieldContainer[Role]
    add_time: _timestamp_pb2.Timestamp
    def __init__(self, person_id: _Optional[str] = ..., name: _Optional[str] = ..., roles: _Optional[_Iterable[_Union[Role, str]]] = ..., add_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class LogInRequest(_message.Message):
    __slots__ = ("request_id", "name", "password", "certificate_request")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_REQUEST_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    name: str
    password: str
    certificate_request: bytes
    def __init__(self, request_id: _Optional[str] = ..., name: _Optional[str] = ..., password: _Optional[str] = ..., certificate_request: _Optional[bytes] = ...) -> None: ...

class LogInResponse(_message.Message):
    __slots__ = ("certificate_chain", "trust_bundle")
    CERTIFICATE_CHAIN_FIELD_NUMBER: _ClassVar[int]
    TRUST_BUNDLE_FIELD_NUMBER: _ClassVar[int]
    certificate_chain: bytes
    trust_bundle: bytes
    def __init__(self, certificate_chain: _Optional[bytes] = ..., trust_bundle: _Optional[bytes] = ...) -> None: ...

class ListPeopleRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListPeopleResponse(_message.Message):
    __slots__ = ("people",)
    PEOPLE_FIELD_NUMBER: _ClassVar[int]
    people: _containers.RepeatedCompositeFieldContainer[Person]
    def __init__(self, people: _Optional[_Iterable[_Union[Person, _Mapping]]] = ...) -> None: ...
