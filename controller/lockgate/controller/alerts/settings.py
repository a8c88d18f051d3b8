"""What an operator says about the destinations of alerts: the table ``[alerts]``.

Rules enforced here:

1. A destination's name is part of its cursor's: two of one kind cannot have the same.
2. Off this host there is no destination without TLS.
3. Secrets stand in files of their own, which only their owner may read; they are read anew for
   every batch, so that they may be changed while the controller runs.
"""

from __future__ import annotations

import re
import ssl
import stat
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from lockgate.controller.alerts.sink import UnreachableError
from lockgate.controller.alerts.transport import is_loopback, tls_context

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


def require_name(name: str) -> None:
    """Refuse a name that could not be part of a cursor's.

    Raises:
        ValueError: it is none.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f'"name": {name!r}: expected lower case letters, digits and dashes')


@dataclass(frozen=True, slots=True)
class Receiver:
    """A receiver of RELP or syslog.

    ``ca_file`` replaces the system's authorities; ``certificate_file`` and ``key_file`` are
    shown to a receiver that asks. ``tls`` may be false on a loopback address only.
    """

    name: str
    host: str
    port: int
    tls: bool = True
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None

    def __post_init__(self) -> None:
        require_name(self.name)
        if not 1 <= self.port <= 65535:
            raise ValueError('"port": expected a port from 1 to 65535')
        if not self.tls and not is_loopback(self.host):
            raise ValueError('"tls": may be false on a loopback address only')

    def tls_context(self) -> ssl.SSLContext | None:
        """None when the connection is not TLS."""
        if not self.tls:
            return None
        return tls_context(self.ca_file, self.certificate_file, self.key_file)


@dataclass(frozen=True, slots=True)
class Webhook:
    """A URL that signed events are posted to; ``secret_file`` holds the key of the signature."""

    name: str
    url: str
    secret_file: Path
    ca_file: Path | None = None

    def __post_init__(self) -> None:
        require_name(self.name)
        require_url(self.url)


@dataclass(frozen=True, slots=True)
class Splunk:
    """A Splunk HTTP Event Collector: ``url`` without a path.

    ``token_file`` holds its token; ``ack`` says whether the token has indexer acknowledgement.
    """

    name: str
    url: str
    token_file: Path
    ca_file: Path | None = None
    ack: bool = True

    def __post_init__(self) -> None:
        require_name(self.name)
        require_url(self.url)


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """Where alerts go. ``file``: OCSF events as JSON lines; None: in the state folder."""

    file: Path | None = None
    relp: tuple[Receiver, ...] = ()
    syslog: tuple[Receiver, ...] = ()
    webhook: tuple[Webhook, ...] = ()
    splunk: tuple[Splunk, ...] = ()

    def __post_init__(self) -> None:
        for kind in ("relp", "syslog", "webhook", "splunk"):
            names = Counter(each.name for each in getattr(self, kind))
            if twice := [name for name, count in names.items() if count > 1]:
                raise ValueError(f'"alerts.{kind}": two are named {twice[0]!r}')


def read_secret(path: Path) -> str:
    """The text of a secret's file, without white space around it.

    Raises:
        UnreachableError: it cannot be read, is empty, or others may read it.
    """
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise UnreachableError(f"{path}: cannot be read as a secret") from None
    if stat.S_IMODE(mode) & 0o077:
        raise UnreachableError(f"{path}: others may read it; chmod 600")
    if not text or not text.isprintable():
        raise UnreachableError(f"{path}: is empty, or holds more than one line")
    return text


def require_url(url: str) -> None:
    """Refuse a URL that would leave this host without TLS, or that holds a password.

    Raises:
        ValueError: it does.
    """
    parts = urlsplit(url)
    is_near = parts.scheme == "http" and is_loopback(parts.hostname or "")
    if not parts.hostname or not (parts.scheme == "https" or is_near):
        raise ValueError(f'"url": {url!r}: expected https://, or http:// on a loopback address')
    if parts.username or parts.password:
        raise ValueError('"url": a password does not belong into it')
