from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class FetchPolicyRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class FetchPolicyResponse(_message.Message):
    __slots__ = ("envelope", "content", "public_key")
    ENVELOPE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
    envelope: bytes
    content: bytes
    public_key: bytes
    def __init__(self, envelope: _Optional[bytes] = ..., content: _Optional[bytes] = ..., public_key: _Optional[bytes] = ...) -> None: ...
