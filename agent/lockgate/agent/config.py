"""The agent's settings; how they are read stands in :mod:`lockgate.wire.settings`.

Rules enforced here:

1. Every setting has a default that works or is named when it is missing.
2. A setting that cannot be right is refused when it is read, not when it is needed.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lockgate.scan.limits import Profile
from lockgate.scan.words import Word
from lockgate.wire import settings
from lockgate.wire.transfer import Zone

DEFAULT_FILE = Path("/etc/lockgate/agent.toml")
DEFAULT_STATE = Path("/var/lib/lockgate")
DEFAULT_RUN = Path("/run/lockgate")


class Mode(Word):
    """What the agent does about a zone."""

    ENFORCE = "enforce", "Opens wait in the kernel until they are judged. Needs root."
    OUTBOX = "outbox", "Files put into DIR/outbox are moved on only after a verdict."
    AUDIT = "audit", "Opens are judged after they happened; would-be verdicts are reported."
    MONITOR = "monitor", "Files are scanned and reported; nothing can be blocked."


class Guarding(Word):
    """How much of a zone's reading the guard asks about."""

    OPEN = "open", "Every open waits until it is judged."
    STRICT = "strict", "Every read of an open file is judged as well."


@dataclass(frozen=True, slots=True)
class ReaderSettings:
    """Processes of the zone that may read whatever they open; every set field must fit.

    ``unit``: a systemd unit. ``executable_sha256``: the digest of the executable.
    ``package``: the Debian or RPM package that owns the executable.
    """

    unit: str = ""
    executable_sha256: str = ""
    package: str = ""

    def __post_init__(self) -> None:
        if not (self.unit or self.executable_sha256 or self.package):
            raise ValueError("zones.readers: set unit, executable_sha256 or package")


@dataclass(frozen=True, slots=True)
class ZoneSettings:
    """One zone. ``name`` defaults to the last part of ``path``.

    ``policy_files`` stand in for the agent's own; ``worker_user`` runs this zone's scans;
    ``salt_file`` holds the site salt of weak secrets' fingerprints; ``cgroups`` are prefixes
    of control groups whose crashes belong to this zone.
    """

    path: Path
    name: str = ""
    signing: bool = False
    mode: Mode = Mode.ENFORCE
    guarding: Guarding = Guarding.OPEN
    policy_files: tuple[Path, ...] = ()
    worker_user: str = ""
    salt_file: Path | None = None
    readers: tuple[ReaderSettings, ...] = ()
    cgroups: tuple[str, ...] = ()

    @property
    def zone(self) -> Zone:
        """What the policy sees of it."""
        return Zone(self.name or self.path.name or "zone", signing=self.signing)


@dataclass(frozen=True, slots=True)
class ControllerSettings:
    """The controller. Empty addresses: those of the enrolment are used."""

    address: str = ""
    enrolment_address: str = ""
    answer_within_seconds: float = 5.0
    spool_bytes: int = 256 << 20

    def __post_init__(self) -> None:
        if self.answer_within_seconds <= 0 or self.spool_bytes <= 0:
            raise ValueError(
                "controller.answer_within_seconds and controller.spool_bytes must be above zero"
            )


@dataclass(frozen=True, slots=True)
class ScanSettings:
    """The scan workers. ``memory_bytes`` bounds the private memory of each."""

    workers: int = 1
    timeout_seconds: float = 600.0
    memory_bytes: int = 256 << 20
    profile: Profile = Profile.STANDARD
    registry_files: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        if self.workers < 1 or self.timeout_seconds <= 0:
            raise ValueError("scan.workers and scan.timeout_seconds must be above zero")


@dataclass(frozen=True, slots=True)
class QuarantineSettings:
    """Bounds of the quarantine store of one filesystem."""

    max_bytes: int = 64 << 30
    max_files: int = 10_000


@dataclass(frozen=True, slots=True)
class CanarySettings:
    """Fresh keys that the guard must refuse, tried again every ``interval_seconds``."""

    interval_seconds: float = 60.0

    def __post_init__(self) -> None:
        if self.interval_seconds <= 0:
            raise ValueError("canary.interval_seconds must be above zero")


@dataclass(frozen=True, slots=True)
class IntakeSettings:
    """Core dumps, taken in before they are files.

    ``store``: its folder, on a filesystem that no zone guards; empty: below the state folder.
    ``crashes_per_hour``: of the same unit and stack, after which only metadata is kept.
    ``recipients``: age public keys that a dump is encrypted to before it leaves the store.
    ``folders``: where another collector (systemd-coredump, apport) puts its dumps.
    """

    store: Path | None = None
    max_bytes: int = 64 << 30
    max_files: int = 1_000
    crashes_per_hour: int = 3
    recipients: tuple[str, ...] = ()
    folders: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """All settings of one agent.

    ``idle_seconds``: how long a guarded filesystem must be quiet before new files are judged
    that nobody waits for. ``kernel_without``: features of the kernel to do without.
    """

    zones: tuple[ZoneSettings, ...] = ()
    host: str = field(default_factory=socket.gethostname)
    state_dir: Path = DEFAULT_STATE
    run_dir: Path = DEFAULT_RUN
    policy_files: tuple[Path, ...] = ()
    open_deadline_seconds: float = 20.0
    pending_limit: int = 4096
    metrics_listen: str = "127.0.0.1:9464"
    controller: ControllerSettings = field(default_factory=ControllerSettings)
    scan: ScanSettings = field(default_factory=ScanSettings)
    quarantine: QuarantineSettings = field(default_factory=QuarantineSettings)
    canary: CanarySettings = field(default_factory=CanarySettings)
    intake: IntakeSettings = field(default_factory=IntakeSettings)
    idle_seconds: float = 1.0
    kernel_without: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.open_deadline_seconds <= 0 or self.pending_limit < 1:
            raise ValueError("open_deadline_seconds and pending_limit must be above zero")
        modes = {zone.mode for zone in self.zones}
        if len(modes) > 1:
            raise ValueError("all zones of one agent have the same mode; run one agent for each")


def load(
    file: Path | None,
    flags: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
) -> AgentSettings:
    """The settings of ``file``, or of the default file where that exists.

    Raises:
        lockgate.wire.settings.SettingsError: something in them is wrong.
    """
    if file is not None and not file.exists():
        raise settings.SettingsError(f"{file}: there is no such file")
    files = settings.files_beside(file or DEFAULT_FILE)
    variables = os.environ if environment is None else environment
    return settings.load(AgentSettings, files=files, environment=variables, flags=flags)
