"""Bounds of the fields of ``host.proto``."""

from __future__ import annotations

from lockgate.wire.bounds.bound import NAME, SENTENCE, SHORT, UUID, Bound
from lockgate.wire.convert.values import NAME_TEXT

_REASON = Bound(SENTENCE.high, 1)
#: Hosts and commands in one answer.
MOST_HOSTS = 500
MOST_COMMANDS = 1000

BOUNDS = {
    "Host.name": NAME,
    "Host.ban_reason": SENTENCE,
    "Host.evict_reason": SENTENCE,
    "AgentPresence.version": SHORT,
    "AgentPresence.capabilities": Bound(items=64),
    "ListHostsRequest.after": Bound(NAME_TEXT),
    "ListHostsResponse.hosts": Bound(items=MOST_HOSTS),
    "EvictHostRequest.request_id": UUID,
    "EvictHostRequest.host": NAME,
    "EvictHostRequest.reason": _REASON,
    "BanHostRequest.request_id": UUID,
    "BanHostRequest.host": NAME,
    "BanHostRequest.reason": _REASON,
    "UnbanHostRequest.request_id": UUID,
    "UnbanHostRequest.host": NAME,
    "UnbanHostRequest.reason": _REASON,
    "SendCommandRequest.request_id": UUID,
    "SendCommandRequest.host": NAME,
    "SendCommandRequest.rescan_zone": NAME,
    "SendCommandRequest.quarantine_transfer_id": UUID,
    "SendCommandResponse.command_id": UUID,
    "ListCommandsRequest.host": Bound(NAME_TEXT),
    "ListCommandsResponse.commands": Bound(items=MOST_COMMANDS),
    "SentCommand.command_id": UUID,
    "SentCommand.host": NAME,
    "SentCommand.action": SHORT,
    "SentCommand.sent_by": Bound(NAME_TEXT),
    "SentCommand.detail": SENTENCE,
}
