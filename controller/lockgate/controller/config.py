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

from lockgate.controller.alerts.settings import AlertSettings
from lockgate.controller.hooks.settings import Hook, require_distinct
from lockgate.controller.identity.hardware import parse as parse_key_uri
from lockgate.controller.passports.settings import PassportSettings
from lockgate.controller.policies.rings import Ring, require_rings
from lockgate.controller.retention.settings import RetentionSettings
from lockgate.controller.store.database import Place, parse_url
from lockgate.wire import settings

DEFAULT_FILE = Path("/etc/lockgate/controller.toml")
DEFAULT_STATE = Path("/var/lib/lockgate/controller")

# SPIFFE ID, section 2.1: lower case letters, digits, dots, dashes and underscores.
_TRUST_DOMAIN = re.compile(r"[a-z0-9._-]{1,255}")


@dataclass(frozen=True, slots=True)
class ControllerSettings:
    """What an operator may set; keys of ``controller.toml``.

    ``database`` is the URL of a PostgreSQL database; empty: an SQLite file in the state folder.
    ``ledger_dir`` is where the signed ledger is published as tiles; empty: in the state folder.
    ``authority`` is the PKCS#11 URI of the CA's key, made by ``init``; empty: a file.
    ``listen`` is the address of both ports, ``port`` the mTLS one, ``enrol_port`` the one with
    server TLS; 0 picks a free port. ``names`` are further host names and addresses for the
    server certificate. ``policy_files`` replace the shipped policy. ``registry_files`` hold
    the protected keys. ``certificate_hours`` is the life of an agent's certificate and
    ``renewal_days`` how long after its end the last key may still renew it;
    ``server_certificate_hours`` the life of the controller's own, renewed in time by itself.
    ``receipt_minutes``: a verdict without a receipt for so long is an alert.
    ``heartbeat_seconds``: how often agents are to say that they are there. ``most_waiting``: so
    many calls may wait for the store; more are told when to come back. ``login_hours``
    is the life of a person's certificate. ``second_person``: changes to policy, registry, people
    and retention need the approval of another person, within ``change_hours``; only a lab does
    without. ``hooks`` are what runs when a key has leaked. ``rings`` are hosts that get a new
    policy before all others; it stops on its way when, of at least ``policy_stop_verdicts``, the
    share that is not ALLOW grows by more than ``policy_stop_growth``.
    """

    state_dir: Path = DEFAULT_STATE
    database: str = ""
    ledger_dir: Path | None = None
    trust_domain: str = "lockgate.internal"
    authority: str = ""
    listen: str = "127.0.0.1"
    port: int = 7443
    enrol_port: int = 7444
    names: tuple[str, ...] = ()
    metrics_port: int = 9465
    policy_files: tuple[Path, ...] = ()
    registry_files: tuple[Path, ...] = ()
    certificate_hours: float = 24.0
    renewal_days: float = 30.0
    server_certificate_hours: float = 24.0 * 90
    receipt_minutes: float = 5.0
    heartbeat_seconds: float = 15.0
    most_waiting: int = 2048
    login_hours: float = 12.0
    second_person: bool = True
    change_hours: float = 72.0
    alerts: AlertSettings = field(default_factory=AlertSettings)
    passports: PassportSettings = field(default_factory=PassportSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    hooks: tuple[Hook, ...] = ()
    rings: tuple[Ring, ...] = ()
    policy_stop_verdicts: int = 20
    policy_stop_growth: float = 0.2

    def __post_init__(self) -> None:
        if self.database:
            parse_url(self.database)
        if self.authority:
            parse_key_uri(self.authority)
        if not _TRUST_DOMAIN.fullmatch(self.trust_domain):
            raise ValueError(f'"trust_domain": {self.trust_domain!r} is no SPIFFE trust domain')
        for key in ("port", "enrol_port", "metrics_port"):
            if not 0 <= getattr(self, key) <= 65535:
                raise ValueError(f'"{key}": expected a port from 0 to 65535')
        for key in (
            "certificate_hours",
            "server_certificate_hours",
            "renewal_days",
            "receipt_minutes",
            "heartbeat_seconds",
            "most_waiting",
            "login_hours",
            "change_hours",
        ):
            if getattr(self, key) <= 0:
                raise ValueError(f'"{key}": expected a number above 0')
        require_distinct(self.hooks)
        require_rings(self.rings)
        if self.policy_stop_verdicts < 1 or not 0 < self.policy_stop_growth <= 1:
            raise ValueError('"policy_stop_verdicts" from 1, "policy_stop_growth" from 0 to 1')

    @property
    def store(self) -> Place:
        """Where the store is."""
        return parse_url(self.database) if self.database else self.state_dir / "controller.db"

    @property
    def ledger_folder(self) -> Path:
        """Where the ledger is published."""
        return self.ledger_dir or self.state_dir / "ledger"

    @property
    def revocations_file(self) -> Path:
        """Where the signed list of revoked passports is published."""
        return self.state_dir / "passports" / "revocations.json"

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
