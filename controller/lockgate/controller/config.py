"""The controller's settings and the files of its state folder.

Rules enforced here:

1. Every setting has a default; ``lockgate controller init --dir D`` and ``run --dir D`` need
   no file at all.
2. Where a setting comes from, and what a typo gets, is ruled by ``lockgate.wire.settings``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lockgate.wire import settings

DEFAULT_FILE = Path("/etc/lockgate/controller.toml")
DEFAULT_STATE = Path("/var/lib/lockgate/controller")

# SPIFFE ID, section 2.1: lower case letters, digits, dots, dashes and underscores.
_TRUST_DOMAIN = re.compile(r"[a-z0-9._-]{1,255}")


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """Where alerts go. ``file``: OCSF events as JSON lines; None: in the state folder."""

    file: Path | None = None


@dataclass(frozen=True, slots=True)
class ControllerSettings:
    """What an operator may set; keys of ``controller.toml``.

    ``listen`` is the address of both ports, ``port`` the mTLS one, ``enrol_port`` the one with
    server TLS; 0 picks a free port. ``names`` are further host names and addresses for the
    server certificate. ``policy_files`` replace the shipped policy. ``registry_files`` hold
    the protected keys. ``certificate_hours`` is the life of an agent's certificate and
    ``renewal_days`` how long after its end the last key may still renew it.
    ``receipt_minutes``: a verdict without a receipt for so long is an alert.
    """

    state_dir: Path = DEFAULT_STATE
    trust_domain: str = "lockgate.internal"
    listen: str = "127.0.0.1"
    port: int = 7443
    enrol_port: int = 7444
    names: tuple[str, ...] = ()
    metrics_port: int = 9465
    policy_files: tuple[Path, ...] = ()
    registry_files: tuple[Path, ...] = ()
    certificate_hours: float = 24.0
    renewal_days: float = 30.0
    receipt_minutes: float = 5.0
    alerts: AlertSettings = field(default_factory=AlertSettings)

    def __post_init__(self) -> None:
        if not _TRUST_DOMAIN.fullmatch(self.trust_domain):
            raise ValueError(f'"trust_domain": {self.trust_domain!r} is no SPIFFE trust domain')
        for key in ("port", "enrol_port", "metrics_port"):
            if not 0 <= getattr(self, key) <= 65535:
                raise ValueError(f'"{key}": expected a port from 0 to 65535')
        for key in ("certificate_hours", "renewal_days", "receipt_minutes"):
            if getattr(self, key) <= 0:
                raise ValueError(f'"{key}": expected a number above 0')

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.state_dir / "controller.db"

    @property
    def identity_dir(self) -> Path:
        """Keys and certificates, 0700."""
        return self.state_dir / "identity"

    @property
    def alert_file(self) -> Path:
        """Where the file sink appends."""
        return self.alerts.file or self.state_dir / "alerts.jsonl"


def load(
    config: Path | None = None,
    flags: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
) -> ControllerSettings:
    """Settings of all sources.

    ``config`` names the main file; without it, a ``controller.toml`` in the state folder that
    a flag names, else the one in /etc, is read if it exists.

    Raises:
        SettingsError: naming file, line and key.
    """
    if config is not None and not config.exists():
        raise settings.SettingsError(f"{config}: no such file")
    state = (flags or {}).get("state_dir")
    main = config or (Path(str(state)) / DEFAULT_FILE.name if state else DEFAULT_FILE)
    return settings.load(
        ControllerSettings,
        files=settings.files_beside(main),
        environment=os.environ if environment is None else environment,
        flags=flags,
    )
