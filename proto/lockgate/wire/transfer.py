"""A transfer, what is decided about it, and what is done: the domain types of the gate.

Rules enforced here:

1. ``Verdict`` has no value for "unknown": whatever is not one of its words is HOLD, with a
   reason (:func:`hold`).
2. A HOLD always carries a :class:`HoldReason`, so that ``lockgate why`` can explain it.
3. These types know no protobuf; ``lockgate.wire.convert`` is the only place that does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lockgate.scan.words import Word
from lockgate.wire.terms import ReleaseTerms


class Boundary(Word):
    """A way out of a zone."""

    OPEN = "open", "A guarded read: a process opens a file of the zone."
    OUTBOX = "outbox", "A file put into the outbox folder."
    INTAKE = "intake", "A core dump being born."
    RELEASE = "release", "A release copy handed out."


class Verdict(Word):
    """What the policy says of a transfer."""

    ALLOW = "ALLOW", "The file may cross."
    HOLD = "HOLD", "The file stays until something is known or somebody decides."
    BLOCK = "BLOCK", "The file may not cross."
    QUARANTINE = "QUARANTINE", "The file may not cross and is moved where nobody can read it."


class HoldReason(Word):
    """Why something is held: for the person whose open failed."""

    POLICY = "policy", "A policy rule holds it until its owner decides."
    GAP = "gap", "Parts of the file could not be looked at; see the gaps of the report."
    NO_RULE = "no-rule", "No policy rule speaks of this file, and unknown is never allowed."
    POLICY_ERROR = "policy-error", "The policy could not be evaluated."
    UNKNOWN_VALUE = "unknown-value", "A message held a value this version does not know."
    CONTROLLER_UNREACHABLE = (
        "controller-unreachable",
        "The controller did not answer and no cached verdict covers the unchanged file.",
    )
    CERTIFICATE = "certificate", "The agent's or the controller's certificate is not valid."
    SCAN_PENDING = "scan-pending", "The scan is still running; try again."
    DEADLINE = "deadline", "The time an open may wait was over before a verdict came; try again."
    WORKER_LOST = "worker-lost", "The scan worker died or overran."
    CHANGED = "changed", "The file changed while it was judged; try again."
    LIVE_WRITER = "live-writer", "The file is open for writing; try again when it is closed."
    OVERLOAD = "overload", "More is waiting than the agent or its controller takes; try again."
    AGENT_DOWN = "agent-down", "The agent is not running; the holder refuses in its place."
    SPOOL_FULL = "spool-full", "Reports cannot be stored on this host: the spool is full."
    STORE_FULL = "store-full", "The controller cannot record the decision: its disk is full."
    QUARANTINE_FAILED = "quarantine-failed", "The file could not be moved into quarantine."
    RULE_PACK = "rule-pack", "The rules could not be loaded or verified."


class Enforcement(Word):
    """What the agent did about one attempt."""

    ALLOWED = "allowed", "The opener got the file."
    DENIED = "denied", "The opener got an error."
    QUARANTINED = "quarantined", "The opener got an error and the file was moved to quarantine."
    QUARANTINE_FAILED = "quarantine-failed", "The opener got an error; moving the file failed."
    NOT_ENFORCED = "not-enforced", "Monitor mode: the verdict was recorded, nothing was stopped."
    RESTORED = "restored", "A quarantined file was put back by an operator."
    TAKEN_IN = "taken-in", "A core dump was sealed in the intake store; nothing left the zone."
    NOT_KEPT = "not-kept", "A core dump was not kept; what is known of the crash was."


class GuardChange(Word):
    """What became of a guard."""

    ARMED = "armed", "Opens in the zone are being held."
    DISARMED = "disarmed", "An operator took the guard off."
    BLIND = "blind", "The agent cannot see or hold opens."
    RECOVERED = "recovered", "The agent holds opens again."
    DEGRADED = "degraded", "Opens are held, but something that keeps it so is missing."
    INTAKE_DRIFT = "intake-drift", "The kernel's core_pattern is not what the intake set."
    INTAKE_ENABLED = "intake-enabled", "Core dumps are taken in."
    INTAKE_DISABLED = "intake-disabled", "An operator took the intake off."


@dataclass(frozen=True, slots=True)
class Zone:
    """An isolated environment. ``signing``: keys are used to sign there."""

    name: str
    signing: bool = False


@dataclass(frozen=True, slots=True)
class Opener:
    """The process behind an open; text fields are escaped, absent ones could not be read."""

    pid: int
    uid: int | None = None
    gid: int | None = None
    executable: str = ""
    command: str = ""
    cgroup: str = ""
    login_uid: int | None = None
    start_ticks: int | None = None
    #: Executables of the parents, nearest first.
    parents: tuple[str, ...] = ()
    user: str = ""
    login_user: str = ""
    unit: str = ""
    container: str = ""
    #: ADDRESS:PORT of the ssh client behind the process.
    ssh_peer: str = ""


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """What ties a verdict to bytes instead of to a name (stat(2) fields, times in ns)."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


@dataclass(frozen=True, slots=True)
class Transfer:
    """One file about to cross a boundary. ``transfer_id`` is a UUIDv7, ``path`` escaped."""

    transfer_id: str
    zone: Zone
    host: str
    boundary: Boundary
    path: str
    identity: FileIdentity
    opener: Opener | None
    attempt_time: datetime


@dataclass(frozen=True, slots=True)
class Decision:
    """What the policy decided; the fields are those of ``lockgate.v1.Decision``.

    Two are not on the wire: ``audit`` is what policies bound to audit say, for the ledger, and
    ``release`` on what terms people may let through what the policy stops (None: on none).
    """

    verdict: Verdict
    hold_reason: HoldReason | None = None
    rule: str = ""
    message: str = ""
    warnings: tuple[str, ...] = ()
    policy_digest: str = ""
    page: bool = False
    opener_independent: bool = False
    cache_until: datetime | None = None
    wait_until: datetime | None = None
    wait_for: str = ""
    audit: tuple[str, ...] = ()
    release: ReleaseTerms | None = None

    def __post_init__(self) -> None:
        if (self.verdict is Verdict.HOLD) is not (self.hold_reason is not None):
            raise ValueError("a HOLD has a reason and nothing else has")


def hold(reason: HoldReason, *, message: str = "", policy_digest: str = "") -> Decision:
    """The decision for everything that is not known well enough to allow."""
    return Decision(
        verdict=Verdict.HOLD,
        hold_reason=reason,
        message=message or reason.explanation,
        policy_digest=policy_digest,
    )


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an agent did about one attempt. ``errno_value`` 0: the opener got the file."""

    transfer_id: str
    verdict: Verdict
    enforcement: Enforcement
    hold_reason: HoldReason | None
    errno_value: int
    enforce_time: datetime
    path: str = ""
    opener: Opener | None = None
    quarantine_id: str = ""
    quarantine_path: str = ""
    detail: str = ""
