"""What an operator says about response hooks: the tables ``[[hooks]]``.

Rules enforced here:

1. A hook is a signed webhook or a command, never both. A command is a list of arguments that
   begins with an absolute path; no shell reads it.
2. A hook pages unless it says that it revokes.
3. A hook that names neither keys nor classes is for every protected key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lockgate.controller.alerts.settings import Webhook, require_name, require_url
from lockgate.controller.registry.protected import ProtectedKeys
from lockgate.scan.report import Finding, FindingClass
from lockgate.scan.words import Word


class HookAction(Word):
    """What a hook does."""

    PAGE = "page", "Tells somebody; runs at once."
    REVOKE = "revoke", "Takes the key out of use; runs when a person has confirmed it."


@dataclass(frozen=True, slots=True)
class LeakedKey:
    """What a hook is chosen by."""

    fingerprint: str
    class_: FindingClass
    name: str | None


@dataclass(frozen=True, slots=True)
class Hook:
    """One hook; keys of a ``[[hooks]]`` table.

    ``keys``: names or fingerprints of keys that it is for; ``classes``: classes of findings.
    ``url``, ``secret_file`` and ``ca_file`` are those of a webhook; ``command`` is a program
    with its arguments. ``time_limit_seconds``: a command that runs longer is killed.
    """

    name: str
    action: HookAction = HookAction.PAGE
    keys: tuple[str, ...] = ()
    classes: tuple[FindingClass, ...] = ()
    url: str = ""
    secret_file: Path | None = None
    ca_file: Path | None = None
    command: tuple[str, ...] = ()
    time_limit_seconds: float = 30.0

    def __post_init__(self) -> None:
        require_name(self.name)
        if bool(self.url) == bool(self.command):
            raise ValueError(f'hook {self.name!r}: set "url" or "command", and not both')
        if self.url:
            require_url(self.url)
            if self.secret_file is None:
                raise ValueError(f'hook {self.name!r}: "url" needs a "secret_file"')
        if self.command and not Path(self.command[0]).is_absolute():
            raise ValueError(f'hook {self.name!r}: "command" must begin with an absolute path')
        if not 0 < self.time_limit_seconds <= 3600:
            raise ValueError(f'hook {self.name!r}: "time_limit_seconds": from 0 to 3600')

    @property
    def webhook(self) -> Webhook | None:
        """Where to post; None for a command."""
        if self.secret_file is None or not self.url:
            return None
        return Webhook(self.name, self.url, self.secret_file, self.ca_file)

    def is_for(self, key: LeakedKey, named: Iterable[str] = ()) -> bool:
        """Whether it runs for a key; ``named`` are the hooks that its registration names."""
        classes = self.classes
        if not classes and not self.keys:
            classes = (FindingClass.PROTECTED,)
        return (
            self.name in named
            or key.class_ in classes
            or key.fingerprint in self.keys
            or (key.name or "") in self.keys
        )


@dataclass(frozen=True, slots=True)
class Hooks:
    """The hooks of an installation."""

    all: tuple[Hook, ...] = ()

    def of(self, key: LeakedKey, keys: ProtectedKeys) -> tuple[Hook, ...]:
        """The hooks for a key."""
        named = keys.record_of(key.fingerprint).hooks
        return tuple(hook for hook in self.all if hook.is_for(key, named))

    def chosen(
        self, findings: Iterable[Finding], keys: ProtectedKeys
    ) -> Mapping[str, tuple[Hook, ...]]:
        """The hooks for each key of a report that has any, by fingerprint."""
        found = (LeakedKey(f.fingerprint, f.class_, f.protected_name) for f in findings)
        chosen = {key.fingerprint: self.of(key, keys) for key in found}
        return {fingerprint: hooks for fingerprint, hooks in chosen.items() if hooks}


def require_distinct(hooks: Iterable[Hook]) -> None:
    """Refuse two hooks of one name, which is that of their runs.

    Raises:
        ValueError: there are two.
    """
    seen: set[str] = set()
    for hook in hooks:
        if hook.name in seen:
            raise ValueError(f'"hooks": two are named {hook.name!r}')
        seen.add(hook.name)
