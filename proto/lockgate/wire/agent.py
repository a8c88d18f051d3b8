"""What agent and controller say on the agent's stream: the domain types.

Rules enforced here:

1. A command is done once: whoever gets it again answers with the receipt that it already has.
2. A command lets no file through. It makes the agent ask, look or move again, and what the
   controller decides then is decided like everything else.
3. These types know no protobuf; ``lockgate.wire.convert`` is the only place that does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from lockgate.scan.words import Word
from lockgate.wire.transfer import FileIdentity, Zone


class Capability(Word):
    """What a side of the stream can do."""

    RELEASE = "release", "The agent asks again about a file when it is told to."
    QUARANTINE = "quarantine", "The agent moves a file into quarantine when it is told to."
    RESTORE = "restore", "The agent puts a quarantined file back when it is told to."
    RESCAN = "rescan", "The agent scans a zone anew when it is told to."
    FORGET_DECISIONS = "forget-decisions", "The agent forgets decisions when it is told to."
    POLICY_OFFERS = "policy-offers", "Policies are offered, or taken note of."
    RULE_PACK_OFFERS = "rule-pack-offers", "Rule packs are offered, or taken note of."


class GuardState(Word):
    """How well a zone is guarded."""

    ENFORCING = "enforcing", "Opens are held, and canaries are refused."
    DEGRADED = "degraded", "Opens are held, but something that keeps it so is missing."
    BLIND = "blind", "Opens may pass unseen."


class OfferKind(Word):
    """What an offer is about."""

    POLICY = "policy", "A policy."
    RULE_PACK = "rule-pack", "A rule pack."


class CommandOutcome(Word):
    """What became of a command on its agent."""

    DONE = "done", "It was carried out."
    FAILED = "failed", "It could not be carried out; the receipt says why."
    UNSUPPORTED = "unsupported", "The agent, or the mode it runs in, cannot do this."
    EXPIRED = "expired", "It came, or was left, past its end; nothing was done."


@dataclass(frozen=True, slots=True)
class Release:
    """Ask again about the file of a transfer, whose SHA-256 may be known."""

    transfer_id: str
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class QuarantineFile:
    """Move a file into quarantine, if it still is the one that was reported."""

    transfer_id: str
    zone: Zone
    path: str
    identity: FileIdentity


@dataclass(frozen=True, slots=True)
class Restore:
    """Put a quarantined file back into its zone."""

    quarantine_id: str
    zone: Zone


@dataclass(frozen=True, slots=True)
class Rescan:
    """Scan every file of a zone anew."""

    zone: Zone


@dataclass(frozen=True, slots=True)
class ForgetDecisions:
    """Ask about every file again; scans are kept."""


Action: TypeAlias = Release | QuarantineFile | Restore | Rescan | ForgetDecisions

#: What an agent must be able to do to carry out an action.
NEEDS: dict[type[Action], Capability] = {
    Release: Capability.RELEASE,
    QuarantineFile: Capability.QUARANTINE,
    Restore: Capability.RESTORE,
    Rescan: Capability.RESCAN,
    ForgetDecisions: Capability.FORGET_DECISIONS,
}


@dataclass(frozen=True, slots=True)
class Command:
    """Something that an agent is to do once, until ``expire_time``."""

    command_id: str
    expire_time: datetime
    action: Action


@dataclass(frozen=True, slots=True)
class CommandReceipt:
    """What an agent did about a command."""

    command_id: str
    outcome: CommandOutcome
    finish_time: datetime
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ZoneHealth:
    """The state of one zone, and why it is no better."""

    zone: str
    state: GuardState
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AgentHealth:
    """The state of a whole agent. Digests are SHA-256 in hex.

    ``policy_digest``: of the policy it decides by itself with; empty: it asks.
    """

    state: GuardState
    reasons: tuple[str, ...]
    zones: tuple[ZoneHealth, ...]
    configuration_digest: str
    policy_digest: str = ""
