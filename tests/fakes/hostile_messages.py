"""Messages that nobody sane sends, for every call of every service, made from the contract."""

from __future__ import annotations

import importlib
import math
import pkgutil
from collections.abc import Iterator
from typing import Any

import grpc
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

import lockgate.v1
from lockgate.wire.bounds import BOUNDS
from lockgate.wire.ids import uuid7

_DEEP = 3
_LARGEST = {
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT32: (2**32 - 1,),
    FieldDescriptor.TYPE_UINT64: (2**63, 2**64 - 1),
    FieldDescriptor.TYPE_DOUBLE: (math.nan, math.inf, -1.0),
    FieldDescriptor.TYPE_ENUM: (99, -1, 2**31 - 1),
    FieldDescriptor.TYPE_STRING: ("\0", "a\0b", "\x1b[31m\u202e\uffff", "../../../etc/passwd"),
    FieldDescriptor.TYPE_BYTES: (b"\0", b"\xff" * 64, b"[" * 2000),
}
_TEXTS = {FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES}


def calls() -> list[MethodDescriptor]:
    """Every call of the contract."""
    modules = (
        importlib.import_module(f"lockgate.v1.{found.name}")
        for found in pkgutil.iter_modules(lockgate.v1.__path__)
        if found.name.endswith("_pb2")
    )
    services = [s for m in modules for s in m.DESCRIPTOR.services_by_name.values()]
    return [method for service in services for method in service.methods]


def said(channel: grpc.Channel, method: MethodDescriptor, *raw: bytes) -> Any:
    """The error with which a call ended that sent these bytes; None: it was answered."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    try:
        if method.client_streaming:
            for _ in channel.stream_stream(path)(iter(raw), timeout=20):
                pass
        else:
            channel.unary_unary(path)(raw[0], timeout=20)
    except grpc.RpcError as error:
        return error
    return None


def filled(descriptor: Any, depth: int = _DEEP) -> Any:
    """A message with something plausible in every field, as far as the bounds tell."""
    message = GetMessageClass(descriptor)()
    for field in descriptor.fields:
        if field.containing_oneof and field is not field.containing_oneof.fields[0]:
            continue
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            if depth and not field.is_repeated:
                getattr(message, field.name).CopyFrom(filled(field.message_type, depth - 1))
        elif field.is_repeated:
            getattr(message, field.name).append(_plausible(field))
        else:
            setattr(message, field.name, _plausible(field))
    return message


def twisted(descriptor: Any, depth: int = _DEEP) -> Iterator[tuple[str, Any]]:
    """Plausible messages with one impossible field each, and what that is."""
    yield "nothing", GetMessageClass(descriptor)()
    for field in descriptor.fields:
        for what, value in _impossible(field, depth):
            message = filled(descriptor, depth)
            message.ClearField(field.name)
            target = getattr(message, field.name)
            if field.is_repeated:
                target.extend(value)
            elif field.type == FieldDescriptor.TYPE_MESSAGE:
                target.CopyFrom(value)
            else:
                setattr(message, field.name, value)
            yield f"{field.name} {what}", message


def _plausible(field: FieldDescriptor) -> Any:
    bound = BOUNDS.get(f"{field.containing_type.name}.{field.name}")
    if field.type not in _TEXTS:
        return 1
    texts = (uuid7(), "ab" * 32, "sha256:" + "ab" * 32, "2026-01-31", "word", "")
    form = bound.form if bound else None
    fits = (t for t in texts if form is None or form.fullmatch(t))
    text = next(fits) if form else "word"
    return text if field.type == FieldDescriptor.TYPE_STRING else text.encode()


def _impossible(field: FieldDescriptor, depth: int) -> Iterator[tuple[str, Any]]:
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        values = list(twisted(field.message_type, depth - 1)) if depth else []
        values += [("all zero", GetMessageClass(field.message_type)())]
    else:
        values = [(repr(value), value) for value in _LARGEST.get(field.type, (True,))]
        if field.type in _TEXTS:
            bound = BOUNDS.get(f"{field.containing_type.name}.{field.name}")
            long = "é" * (min(bound.high if bound else 1000, 1 << 20) + 1)
            values.append(("too long", long if isinstance(values[0][1], str) else long.encode()))
    if field.is_repeated:
        yield from ((what, [value]) for what, value in values)
        yield "too many", [values[-1][1] if depth else values[0][1]] * 2
    else:
        yield from values
