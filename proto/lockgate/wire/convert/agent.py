"""What is said on the agent's stream, to messages and back; the rules are those of the package."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lockgate.v1 import agent_pb2 as pb
from lockgate.wire.agent import (
    Action,
    AgentHealth,
    Capability,
    Command,
    CommandOutcome,
    CommandReceipt,
    ForgetDecisions,
    GuardState,
    OfferKind,
    QuarantineFile,
    Release,
    Rescan,
    Restore,
    ZoneHealth,
)
from lockgate.wire.convert.transfer import (
    identity_from_wire,
    identity_to_wire,
    zone_from_wire,
    zone_to_wire,
)
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
    uuid,
)

#: Zones of one agent and reasons of one state; ``lockgate.wire.bounds.agent`` says the same.
MOST_ZONES = 256
MOST_REASONS = 32

CAPABILITIES = EnumMap(Capability, pb.Capability.DESCRIPTOR)
GUARD_STATES = EnumMap(GuardState, pb.GuardState.DESCRIPTOR)
OFFER_KINDS = EnumMap(OfferKind, pb.OfferKind.DESCRIPTOR)
COMMAND_OUTCOMES = EnumMap(CommandOutcome, pb.CommandOutcome.DESCRIPTOR)


def capabilities_to_wire(known: Iterable[Capability]) -> int:
    """One bit for each."""
    return sum(1 << CAPABILITIES.number(capability) for capability in set(known))


def capabilities_from_wire(bits: int) -> frozenset[Capability]:
    """Those that are known here; other bits say nothing."""
    return frozenset(c for c in Capability if bits >> CAPABILITIES.number(c) & 1)


def offer_kind_to_wire(kind: OfferKind) -> Any:
    """The enum number of ``kind``."""
    return OFFER_KINDS.number(kind)


def offer_kind_from_wire(number: int) -> OfferKind | None:
    """The word of ``number``; None when it is not known: the offer is of no use here."""
    return OFFER_KINDS.word(number)


def health_to_wire(health: AgentHealth) -> pb.AgentHealth:
    """The message of ``health``."""
    return pb.AgentHealth(
        state=GUARD_STATES.number(health.state),
        reasons=_reasons_to_wire(health.reasons),
        zones=[_zone_health_to_wire(zone) for zone in health.zones[:MOST_ZONES]],
        configuration_digest=health.configuration_digest,
        policy_digest=health.policy_digest,
    )


def health_from_wire(message: pb.AgentHealth) -> AgentHealth:
    """The health in ``message``; a state that is not known is blind."""
    return AgentHealth(
        state=GUARD_STATES.word(message.state) or GuardState.BLIND,
        reasons=_reasons_from_wire(message.reasons),
        zones=tuple(_zone_health_from_wire(zone) for zone in message.zones),
        configuration_digest=message.configuration_digest,
        policy_digest=message.policy_digest,
    )


def _zone_health_to_wire(zone: ZoneHealth) -> pb.ZoneHealth:
    return pb.ZoneHealth(
        name=cut(zone.zone, NAME_TEXT),
        state=GUARD_STATES.number(zone.state),
        reasons=_reasons_to_wire(zone.reasons),
    )


def _zone_health_from_wire(message: pb.ZoneHealth) -> ZoneHealth:
    return ZoneHealth(
        zone=arrived(message.name, NAME_TEXT),
        state=GUARD_STATES.word(message.state) or GuardState.BLIND,
        reasons=_reasons_from_wire(message.reasons),
    )


def _reasons_to_wire(reasons: Iterable[str]) -> list[str]:
    return [cut(reason, SENTENCE_TEXT) for reason in tuple(reasons)[:MOST_REASONS]]


def _reasons_from_wire(reasons: Iterable[str]) -> tuple[str, ...]:
    return tuple(arrived(reason, SENTENCE_TEXT) for reason in reasons)


def command_to_wire(command: Command) -> pb.Command:
    """The message of ``command``."""
    message = pb.Command(command_id=command.command_id, expire_time=timestamp(command.expire_time))
    _put_action(message, command.action)
    return message


def _put_action(message: pb.Command, action: Action) -> None:
    match action:
        case Release(transfer_id, sha256):
            message.release.CopyFrom(pb.ReleaseCommand(transfer_id=transfer_id, sha256=sha256))
        case QuarantineFile():
            message.quarantine.CopyFrom(
                pb.QuarantineCommand(
                    transfer_id=action.transfer_id,
                    zone=zone_to_wire(action.zone),
                    path=cut(action.path, PATH_TEXT),
                    identity=identity_to_wire(action.identity),
                )
            )
        case Restore(quarantine_id, zone):
            restore = pb.RestoreCommand(
                quarantine_id=cut(quarantine_id, SHORT_TEXT), zone=zone_to_wire(zone)
            )
            message.restore.CopyFrom(restore)
        case Rescan(zone):
            message.rescan.CopyFrom(pb.RescanCommand(zone=zone_to_wire(zone)))
        case ForgetDecisions():
            message.forget_decisions.SetInParent()


def command_from_wire(message: pb.Command) -> Command:
    """The command of ``message``.

    Raises:
        WireError: no id or end, or an action that is not known here.
    """
    if not message.HasField("expire_time"):
        raise WireError("command.expire_time: missing")
    return Command(
        command_id=uuid(message.command_id, "command.command_id"),
        expire_time=time_of(message.expire_time, "command.expire_time"),
        action=_action_from_wire(message),
    )


def _action_from_wire(message: pb.Command) -> Action:
    match message.WhichOneof("action"):
        case "release":
            transfer_id = uuid(message.release.transfer_id, "release.transfer_id")
            return Release(transfer_id, message.release.sha256)
        case "quarantine":
            asked = message.quarantine
            return QuarantineFile(
                transfer_id=uuid(asked.transfer_id, "quarantine.transfer_id"),
                zone=zone_from_wire(asked.zone),
                path=asked.path,
                identity=identity_from_wire(asked.identity),
            )
        case "restore":
            zone = zone_from_wire(message.restore.zone)
            return Restore(arrived(message.restore.quarantine_id, SHORT_TEXT), zone)
        case "rescan":
            return Rescan(zone_from_wire(message.rescan.zone))
        case "forget_decisions":
            return ForgetDecisions()
    raise WireError("command.action: unknown")


def command_receipt_to_wire(receipt: CommandReceipt) -> pb.CommandReceipt:
    """The message of ``receipt``."""
    return pb.CommandReceipt(
        command_id=receipt.command_id,
        outcome=COMMAND_OUTCOMES.number(receipt.outcome),
        detail=cut(receipt.detail, SENTENCE_TEXT),
        finish_time=timestamp(receipt.finish_time),
    )


def command_receipt_from_wire(message: pb.CommandReceipt) -> CommandReceipt:
    """The receipt of ``message``; an outcome that is not known is a failure.

    Raises:
        WireError: no id or time.
    """
    if not message.HasField("finish_time"):
        raise WireError("command_receipt.finish_time: missing")
    return CommandReceipt(
        command_id=uuid(message.command_id, "command_receipt.command_id"),
        outcome=COMMAND_OUTCOMES.word(message.outcome) or CommandOutcome.FAILED,
        finish_time=time_of(message.finish_time, "command_receipt.finish_time"),
        detail=arrived(message.detail, SENTENCE_TEXT),
    )
