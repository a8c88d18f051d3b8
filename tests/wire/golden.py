"""Write golden messages of this version: what agents and controller of it say to each other.

Usage: ``python tests/wire/golden.py`` (``make golden``), once, before a version is released.

Each message of the services that agents use is filled in whole, by its descriptor and the bounds
of its fields, and kept as bytes (``.binpb``) beside what they mean (``.json``), in a folder named
after the version. What was released is never written again: a later version must still read it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp

from lockgate.v1 import agent_pb2, bundle_pb2, decision_pb2, enrolment_pb2
from lockgate.wire.bounds import BOUNDS

FOLDER = Path(__file__).parent / "golden"
SERVICES = (
    decision_pb2.DESCRIPTOR.services_by_name["DecisionService"],
    enrolment_pb2.DESCRIPTOR.services_by_name["EnrolmentService"],
    agent_pb2.DESCRIPTOR.services_by_name["AgentService"],
    bundle_pb2.DESCRIPTOR.services_by_name["BundleService"],
)
#: Texts of every form that a bound asks for; the first that fits is taken.
_TEXTS = (
    "golden",
    "01a20000-0000-7000-8000-000000000001",
    "ab" * 32,
    "sha256:" + "cd" * 32,
    "ef" * 16,
    "",
)
_NUMBERS: dict[int, Any] = {
    FieldDescriptor.TYPE_BOOL: True,
    FieldDescriptor.TYPE_DOUBLE: 0.25,
    FieldDescriptor.TYPE_INT32: -7,
    FieldDescriptor.TYPE_INT64: -(2**40),
    FieldDescriptor.TYPE_UINT32: 2**31,
    FieldDescriptor.TYPE_UINT64: 2**40,
}


def messages() -> Iterator[tuple[str, Message]]:
    """Every message of the services, once for each arm of its oneof; with a name."""
    for service in SERVICES:
        for method in service.methods:
            yield from _of_method(method)


def _of_method(method: MethodDescriptor) -> Iterator[tuple[str, Message]]:
    for descriptor in (method.input_type, method.output_type):
        for arms in _choices(descriptor):
            name = "-".join([descriptor.name, *arms])
            yield name, filled(descriptor, arms)


def _choices(descriptor: Descriptor) -> list[tuple[str, ...]]:
    """The arms to be filled: of the message's oneof, and of the one in what an arm holds."""
    arms = [field for one in _real_oneofs(descriptor) for field in one.fields]
    if not arms:
        return [()]
    return [
        (arm.name, *inner)
        for arm in arms
        for inner in (_choices(arm.message_type) if arm.message_type else [()])
    ]


def _real_oneofs(descriptor: Descriptor) -> list[Any]:
    """Without those that stand for one optional field."""
    return [one for one in descriptor.oneofs if not one.name.startswith("_")]


def filled(descriptor: Descriptor, arms: tuple[str, ...] = ()) -> Message:
    """A message with something in every field; of a oneof, the field named in ``arms``."""
    message = GetMessageClass(descriptor)()
    for field in descriptor.fields:
        one = field.containing_oneof
        if one in _real_oneofs(descriptor) and field.name not in arms:
            continue
        _fill(message, field, arms)
    return message


def _fill(message: Message, field: FieldDescriptor, arms: tuple[str, ...]) -> None:
    if field.message_type is not None:
        value: Any = _inner(field.message_type, arms)
        target = getattr(message, field.name)
        target.append(value) if field.is_repeated else target.CopyFrom(value)
        return
    value = _scalar(field)
    if field.is_repeated:
        getattr(message, field.name).append(value)
    else:
        setattr(message, field.name, value)


def _inner(descriptor: Descriptor, arms: tuple[str, ...]) -> Message:
    if descriptor.full_name == "google.protobuf.Timestamp":
        return Timestamp(seconds=1_800_000_000, nanos=123_456_000)
    return filled(descriptor, arms)


def _scalar(field: FieldDescriptor) -> Any:
    if field.enum_type is not None:
        return field.enum_type.values[1].number
    if field.type in {FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES}:
        text = _text(f"{field.containing_type.name}.{field.name}")
        return text if field.type == FieldDescriptor.TYPE_STRING else text.encode()
    return _NUMBERS[field.type]


def _text(name: str) -> str:
    bound = BOUNDS[name]
    form = bound.form or re.compile(".*")
    return next(
        text for text in _TEXTS if bound.low <= len(text) <= bound.high and form.fullmatch(text)
    )


def meaning(message: Message) -> str:
    """What a message says, as JSON that does not depend on the order of its fields."""
    told = MessageToDict(message, preserving_proto_field_name=True)
    return json.dumps(told, indent=1, sort_keys=True) + "\n"


def write(folder: Path) -> int:
    """Write all of them; how many.

    Raises:
        FileExistsError: this version's were written before.
    """
    folder.mkdir(parents=True)
    made = list(messages())
    for name, message in made:
        (folder / f"{name}.binpb").write_bytes(message.SerializeToString(deterministic=True))
        (folder / f"{name}.json").write_text(meaning(message))
    return len(made)


if __name__ == "__main__":
    here = FOLDER / version("lockgate-proto")
    sys.stdout.write(f"{write(here)} messages in {here}\n")
