"""Bounds of the fields of ``agent.proto``."""

from __future__ import annotations

from lockgate.wire.bounds.bound import HEX, HEX_OR_EMPTY, NAME, PATH, SENTENCE, SHORT, UUID, Bound
from lockgate.wire.convert.agent import MOST_REASONS, MOST_ZONES
from lockgate.wire.convert.values import SENTENCE_TEXT

_REASONS = Bound(SENTENCE_TEXT, items=MOST_REASONS)

BOUNDS = {
    "AgentHello.version": SHORT,
    "ControllerHello.version": SHORT,
    "AgentHealth.reasons": _REASONS,
    "AgentHealth.zones": Bound(items=MOST_ZONES),
    "AgentHealth.configuration_digest": HEX_OR_EMPTY,
    "AgentHealth.policy_digest": HEX_OR_EMPTY,
    "ZoneHealth.name": NAME,
    "ZoneHealth.reasons": _REASONS,
    "Offer.digest": HEX,
    "Command.command_id": UUID,
    "ReleaseCommand.transfer_id": UUID,
    "ReleaseCommand.sha256": HEX_OR_EMPTY,
    "QuarantineCommand.transfer_id": UUID,
    "QuarantineCommand.path": PATH,
    "RestoreCommand.quarantine_id": SHORT,
    "CommandReceipt.command_id": UUID,
    "CommandReceipt.detail": SENTENCE,
    "CommandReceiptAck.command_id": UUID,
}
