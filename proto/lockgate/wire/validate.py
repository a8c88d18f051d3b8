"""The check of a message against the bounds of its fields.

Rules enforced here:

1. Every string, bytes and repeated field of ``lockgate.v1`` has a bound in
   ``lockgate.wire.bounds``; a test fails for a field without one, and an unlisted field is a
   violation here.
2. A violation names the field and the bound, never the value.
3. Checking costs no more than walking the message, and stops at the first hundred violations.
4. What people and strangers send holds no NUL character: not every database takes one. What
   agents say is evidence, is never refused for a character, and is escaped when it arrives.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from lockgate.wire.bounds import BOUNDS
from lockgate.wire.bounds.bound import Bound

_MOST_REPORTED = 100
_FIRST_SECOND, _LAST_SECOND, _SECOND_NANOS = -62_135_596_800, 253_402_300_799, 10**9

#: The files of what agents say.
_ESCAPED = frozenset(
    f"lockgate/v1/{name}.proto" for name in ("agent", "decision", "report", "transfer")
)

#: Messages that a request or receipt is nothing without.
REQUIRED = {
    "Transfer": ("zone", "identity", "attempt_time"),
    "Receipt": ("enforce_time",),
    "RequestVerdictRequest": ("transfer", "report"),
    "ReportEnforcementRequest": ("receipt",),
    "ReportGuardRequest": ("zone",),
    "Command": ("expire_time",),
    "QuarantineCommand": ("zone", "identity"),
    "RestoreCommand": ("zone",),
    "RescanCommand": ("zone",),
    "CommandReceipt": ("finish_time",),
}


def violations(message: Message) -> tuple[str, ...]:
    """What is wrong with ``message``, as ``field: why``; empty when nothing is."""
    found: list[str] = []
    _walk(message, "", found)
    return tuple(found[:_MOST_REPORTED])


@dataclass(frozen=True, slots=True)
class _Field:
    """A field that has something to check."""

    name: str
    has_presence: bool
    is_repeated: bool
    is_message: bool
    is_sized: bool
    takes_nul: bool
    bound: Bound | None


@dataclass(frozen=True, slots=True)
class _Shape:
    """What is to be checked in a message of one type; asking its descriptor each time is slow."""

    is_time: bool
    required: tuple[str, ...]
    fields: tuple[_Field, ...]


@cache
def _shape(descriptor: Descriptor) -> _Shape:
    if descriptor.file.package != "lockgate.v1":
        return _Shape(descriptor is Timestamp.DESCRIPTOR, (), ())
    found = (_of(descriptor, field) for field in descriptor.fields)
    fields = tuple(each for each in found if each.is_message or each.is_sized or each.is_repeated)
    return _Shape(is_time=False, required=REQUIRED.get(descriptor.name, ()), fields=fields)


def _of(descriptor: Descriptor, field: Any) -> _Field:
    return _Field(
        name=field.name,
        has_presence=field.has_presence,
        is_repeated=field.is_repeated,
        is_message=field.type == FieldDescriptor.TYPE_MESSAGE,
        is_sized=field.type in {FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES},
        takes_nul=field.type != FieldDescriptor.TYPE_STRING or descriptor.file.name in _ESCAPED,
        bound=BOUNDS.get(f"{descriptor.name}.{field.name}"),
    )


def _walk(message: Any, above: str, found: list[str]) -> None:
    """Add what is wrong with a message; ``above`` is the way to its fields."""
    shape = _shape(message.DESCRIPTOR)
    if shape.is_time and not _is_time(message):
        found.append(f"{above.removesuffix('.')}: not a time")
    lacking = [name for name in shape.required if not message.HasField(name)]
    found.extend(f"{above}{name}: missing" for name in lacking)
    for field in shape.fields:
        if field.has_presence and not message.HasField(field.name):
            continue
        value = getattr(message, field.name)
        if field.is_repeated:
            _walk_items(value, field, above, found)
        elif field.is_message:
            _walk(value, f"{above}{field.name}.", found)
        elif (wrong := _wrong(value, field)) is not None:
            found.append(f"{above}{field.name}: {wrong}")


def _walk_items(values: Any, field: _Field, above: str, found: list[str]) -> None:
    most = None if field.bound is None else field.bound.items
    if most is None or len(values) > most:
        found.append(f"{above}{field.name}: more than {most} elements")
        return
    for index, value in enumerate(values):
        if len(found) >= _MOST_REPORTED:
            return
        if field.is_message:
            _walk(value, f"{above}{field.name}[{index}].", found)
        elif field.is_sized and (wrong := _wrong(value, field)) is not None:
            found.append(f"{above}{field.name}[{index}]: {wrong}")


def _is_time(message: Timestamp) -> bool:
    """Whether it is in the years 1 to 9999, as its definition asks for."""
    seconds, nanos = message.seconds, message.nanos
    return _FIRST_SECOND <= seconds <= _LAST_SECOND and 0 <= nanos < _SECOND_NANOS


def _wrong(value: Any, field: _Field) -> str | None:
    """What is wrong with a text or with bytes."""
    bound = field.bound
    if bound is None:
        return "no bound is known"
    size = len(value) if isinstance(value, bytes) or value.isascii() else len(value.encode())
    if not bound.low <= size <= bound.high:
        return f"not of {bound.low} to {bound.high} bytes"
    if bound.form is not None and not bound.form.fullmatch(value):
        return f"not of the form {bound.form.pattern}"
    if not field.takes_nul and "\0" in value:
        return "has a NUL character"
    return None
