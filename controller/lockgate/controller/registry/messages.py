"""Registered keys on their way to people, and from a message back to a key."""

from __future__ import annotations

from datetime import date

from lockgate.controller.clock import from_micros
from lockgate.controller.registry.keys import RegisteredKey
from lockgate.scan.protected import Anchor, KeyRecord, ProtectedKey
from lockgate.v1 import registry_pb2 as pb
from lockgate.wire.convert.values import timestamp


def stored(row: RegisteredKey) -> pb.RegisteredKey:
    """A key of the store."""
    message = of_key(row.key)
    message.add_time.CopyFrom(timestamp(from_micros(row.added_at)))
    message.change_time.CopyFrom(timestamp(from_micros(row.changed_at)))
    message.change_id = row.change_id
    return message


def of_key(key: ProtectedKey) -> pb.RegisteredKey:
    """A key as it stands in a registry."""
    record, anchor = key.record, key.anchor
    message = pb.RegisteredKey(
        name=key.name,
        fingerprint=key.fingerprint,
        algorithm=key.algorithm,
        bits=key.bits,
        spki=key.spki or b"",
        owner=record.owner,
        zones=record.zones,
        signs=record.signs,
        made_on="" if record.made is None else record.made.isoformat(),
        on_leak=record.on_leak,
        hooks=record.hooks,
    )
    if anchor is not None:
        message.anchor_length, message.anchor_tag = anchor.length, anchor.tag
    return message


def to_key(message: pb.RegisteredKey) -> ProtectedKey:
    """The inverse of :func:`of_key`, for writing a registry file."""
    anchor = None
    if message.HasField("anchor_tag"):
        anchor = Anchor(message.anchor_length, message.anchor_tag)
    record = KeyRecord(
        owner=message.owner,
        zones=tuple(message.zones),
        signs=message.signs,
        made=date.fromisoformat(message.made_on) if message.made_on else None,
        on_leak=message.on_leak,
        hooks=tuple(message.hooks),
    )
    return ProtectedKey(
        message.name,
        message.fingerprint,
        message.algorithm,
        message.bits,
        message.spki or None,
        anchor=anchor,
        record=record,
    )
