"""Transfers, decisions and receipts, to messages and back; the rules are those of the package."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from lockgate.v1 import decision_pb2
from lockgate.v1 import transfer_pb2 as pb
from lockgate.wire.convert.values import (
    NAME_TEXT,
    PATH_TEXT,
    SENTENCE_TEXT,
    SHORT_TEXT,
    EnumMap,
    WireError,
    arrived,
    cut,
    time_of,
    timestamp,
    uint32,
    uint64,
    uuid,
)
from lockgate.wire.transfer import (
    Boundary,
    Decision,
    Enforcement,
    FileIdentity,
    GuardChange,
    HoldReason,
    Opener,
    Receipt,
    Transfer,
    Verdict,
    Zone,
    hold,
)

#: Sentences in one decision; the .proto files state the same number.
MOST_WARNINGS = 32
#: Parents told of one opener; the .proto files state the same number.
MOST_PARENTS = 8

BOUNDARIES = EnumMap(Boundary, pb.Boundary.DESCRIPTOR)
VERDICTS = EnumMap(Verdict, pb.Verdict.DESCRIPTOR)
HOLD_REASONS = EnumMap(HoldReason, pb.HoldReason.DESCRIPTOR)
ENFORCEMENTS = EnumMap(Enforcement, pb.Enforcement.DESCRIPTOR)
GUARD_CHANGES = EnumMap(GuardChange, decision_pb2.GuardChange.DESCRIPTOR)

_LARGEST_INT32 = 2**31 - 1
_LARGEST_INT64 = 2**63 - 1


def zone_to_wire(zone: Zone) -> pb.Zone:
    """The message of ``zone``."""
    return pb.Zone(name=cut(zone.name, NAME_TEXT), signing=zone.signing)


def zone_from_wire(message: pb.Zone) -> Zone:
    """The zone of ``message``.

    Raises:
        WireError: it has no name.
    """
    if not message.name:
        raise WireError("zone.name: missing")
    return Zone(arrived(message.name, NAME_TEXT), signing=message.signing)


def transfer_to_wire(transfer: Transfer) -> pb.Transfer:
    """The message of ``transfer``."""
    return pb.Transfer(
        transfer_id=transfer.transfer_id,
        zone=zone_to_wire(transfer.zone),
        host=cut(transfer.host, NAME_TEXT),
        boundary=BOUNDARIES.number(transfer.boundary),
        path=cut(transfer.path, PATH_TEXT),
        identity=identity_to_wire(transfer.identity),
        opener=None if transfer.opener is None else opener_to_wire(transfer.opener),
        attempt_time=timestamp(transfer.attempt_time),
    )


def transfer_from_wire(message: pb.Transfer) -> Transfer:
    """The transfer of ``message``.

    Raises:
        WireError: no transfer id, zone, identity or time, or a boundary that is not known.
    """
    boundary = BOUNDARIES.word(message.boundary)
    if boundary is None:
        raise WireError("transfer.boundary: unknown value")
    for field in ("zone", "identity", "attempt_time"):
        if not message.HasField(field):
            raise WireError(f"transfer.{field}: missing")
    return Transfer(
        transfer_id=uuid(message.transfer_id, "transfer.transfer_id"),
        zone=zone_from_wire(message.zone),
        host=arrived(message.host, NAME_TEXT),
        boundary=boundary,
        path=arrived(message.path, PATH_TEXT),
        identity=identity_from_wire(message.identity),
        opener=_opener_from_wire(message.opener) if message.HasField("opener") else None,
        attempt_time=time_of(message.attempt_time, "transfer.attempt_time"),
    )


def identity_to_wire(identity: FileIdentity) -> pb.FileIdentity:
    """The message of ``identity``."""
    return pb.FileIdentity(
        device=uint64(identity.device),
        inode=uint64(identity.inode),
        size=uint64(identity.size),
        mtime_ns=_int64(identity.mtime_ns),
        ctime_ns=_int64(identity.ctime_ns),
    )


def _int64(value: int) -> int:
    return min(max(value, -_LARGEST_INT64 - 1), _LARGEST_INT64)


def identity_from_wire(message: pb.FileIdentity) -> FileIdentity:
    """The identity of ``message``."""
    return FileIdentity(
        device=message.device,
        inode=message.inode,
        size=message.size,
        mtime_ns=message.mtime_ns,
        ctime_ns=message.ctime_ns,
    )


def opener_to_wire(opener: Opener) -> pb.Opener:
    """The message of ``opener``."""
    return pb.Opener(
        pid=uint32(opener.pid),
        uid=None if opener.uid is None else uint32(opener.uid),
        gid=None if opener.gid is None else uint32(opener.gid),
        executable=cut(opener.executable, PATH_TEXT),
        command=cut(opener.command, PATH_TEXT),
        cgroup=cut(opener.cgroup, PATH_TEXT),
        login_uid=None if opener.login_uid is None else uint32(opener.login_uid),
        start_ticks=None if opener.start_ticks is None else uint64(opener.start_ticks),
        parents=[cut(text, PATH_TEXT) for text in opener.parents[:MOST_PARENTS]],
        user=cut(opener.user, SHORT_TEXT),
        login_user=cut(opener.login_user, SHORT_TEXT),
        unit=cut(opener.unit, SHORT_TEXT),
        container=cut(opener.container, SHORT_TEXT),
        ssh_peer=cut(opener.ssh_peer, SHORT_TEXT),
    )


def _optional(
    message: pb.Opener, field: Literal["uid", "gid", "login_uid", "start_ticks"]
) -> int | None:
    return getattr(message, field) if message.HasField(field) else None


def _opener_from_wire(message: pb.Opener) -> Opener:
    return Opener(
        pid=message.pid,
        uid=_optional(message, "uid"),
        gid=_optional(message, "gid"),
        executable=arrived(message.executable, PATH_TEXT),
        command=arrived(message.command, PATH_TEXT),
        cgroup=arrived(message.cgroup, PATH_TEXT),
        login_uid=_optional(message, "login_uid"),
        start_ticks=_optional(message, "start_ticks"),
        parents=tuple(arrived(text, PATH_TEXT) for text in message.parents[:MOST_PARENTS]),
        user=arrived(message.user, SHORT_TEXT),
        login_user=arrived(message.login_user, SHORT_TEXT),
        unit=arrived(message.unit, SHORT_TEXT),
        container=arrived(message.container, SHORT_TEXT),
        ssh_peer=arrived(message.ssh_peer, SHORT_TEXT),
    )


def decision_to_wire(decision: Decision) -> pb.Decision:
    """The message of ``decision``."""
    reason = decision.hold_reason
    return pb.Decision(
        verdict=VERDICTS.number(decision.verdict),
        hold_reason=None if reason is None else HOLD_REASONS.number(reason),
        rule=cut(decision.rule, SHORT_TEXT),
        message=cut(decision.message, SENTENCE_TEXT),
        warnings=[cut(text, SENTENCE_TEXT) for text in decision.warnings[:MOST_WARNINGS]],
        policy_digest=decision.policy_digest,
        page=decision.page,
        opener_independent=decision.opener_independent,
        cache_until=None if decision.cache_until is None else timestamp(decision.cache_until),
        wait_until=None if decision.wait_until is None else timestamp(decision.wait_until),
        wait_for=cut(decision.wait_for, SHORT_TEXT),
    )


def decision_from_wire(message: pb.Decision) -> Decision:
    """The decision of ``message``; HOLD ``unknown-value`` when it is not a whole one.

    Not whole: an unknown verdict, a HOLD without a known reason, another verdict with one.
    """
    verdict = VERDICTS.word(message.verdict)
    reason = HOLD_REASONS.word(message.hold_reason)
    digest = arrived(message.policy_digest, SHORT_TEXT)
    contradiction = (verdict is Verdict.HOLD) is not (reason is not None)
    if verdict is None or contradiction or (reason is None and message.hold_reason):
        return hold(HoldReason.UNKNOWN_VALUE, policy_digest=digest)
    return Decision(
        verdict=verdict,
        hold_reason=reason,
        rule=arrived(message.rule, SHORT_TEXT),
        message=arrived(message.message, SENTENCE_TEXT),
        warnings=tuple(arrived(text, SENTENCE_TEXT) for text in message.warnings),
        policy_digest=digest,
        page=message.page,
        opener_independent=message.opener_independent,
        cache_until=_time_or_none(message, "cache_until"),
        wait_until=_time_or_none(message, "wait_until"),
        wait_for=arrived(message.wait_for, SHORT_TEXT),
    )


def _time_or_none(
    message: pb.Decision, field: Literal["cache_until", "wait_until"]
) -> datetime | None:
    """The time; None (nothing cached, nobody waited for) when absent or not a time."""
    if not message.HasField(field):
        return None
    try:
        return time_of(getattr(message, field), field)
    except WireError:
        return None


def receipt_to_wire(receipt: Receipt) -> pb.Receipt:
    """The message of ``receipt``."""
    reason = receipt.hold_reason
    return pb.Receipt(
        transfer_id=receipt.transfer_id,
        verdict=VERDICTS.number(receipt.verdict),
        enforcement=ENFORCEMENTS.number(receipt.enforcement),
        hold_reason=None if reason is None else HOLD_REASONS.number(reason),
        errno_value=min(max(receipt.errno_value, 0), _LARGEST_INT32),
        quarantine_id=cut(receipt.quarantine_id, SHORT_TEXT),
        quarantine_path=cut(receipt.quarantine_path, PATH_TEXT),
        opener=None if receipt.opener is None else opener_to_wire(receipt.opener),
        enforce_time=timestamp(receipt.enforce_time),
        detail=cut(receipt.detail, SENTENCE_TEXT),
        path=cut(receipt.path, PATH_TEXT),
    )


def receipt_from_wire(message: pb.Receipt) -> Receipt:
    """The receipt of ``message``; what it does not say for certain counts as not enforced.

    Raises:
        WireError: no transfer id or time.
    """
    verdict = VERDICTS.word(message.verdict)
    reason = HOLD_REASONS.word(message.hold_reason)
    if verdict is None or (reason is None and (verdict is Verdict.HOLD or message.hold_reason)):
        verdict, reason = verdict or Verdict.HOLD, HoldReason.UNKNOWN_VALUE
    if not message.HasField("enforce_time"):
        raise WireError("receipt.enforce_time: missing")
    return Receipt(
        transfer_id=uuid(message.transfer_id, "receipt.transfer_id"),
        verdict=verdict,
        enforcement=ENFORCEMENTS.word(message.enforcement) or Enforcement.NOT_ENFORCED,
        hold_reason=reason,
        errno_value=message.errno_value,
        enforce_time=time_of(message.enforce_time, "receipt.enforce_time"),
        path=arrived(message.path, PATH_TEXT),
        opener=_opener_from_wire(message.opener) if message.HasField("opener") else None,
        quarantine_id=arrived(message.quarantine_id, SHORT_TEXT),
        quarantine_path=arrived(message.quarantine_path, PATH_TEXT),
        detail=arrived(message.detail, SENTENCE_TEXT),
    )


def guard_change_to_wire(change: GuardChange) -> Any:
    """The enum number of ``change``."""
    return GUARD_CHANGES.number(change)


def guard_change_from_wire(number: int) -> GuardChange:
    """The word of ``number``; BLIND when it is not known, which alerts."""
    return GUARD_CHANGES.word(number) or GuardChange.BLIND
