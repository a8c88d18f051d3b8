"""The ``lockgate`` command: subcommands of all installed distributions.

Rules enforced here:

1. A subcommand is an entry point of the group ``lockgate.commands``; it is imported only when
   it is called, so that ``lockgate --help`` starts fast and one broken part breaks no other.
2. Each entry point is called with ``args`` and ``prog_name``, as a :class:`typer.Typer` is.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

#: One line for each known subcommand, so that ``--help`` imports none of them.
_SUMMARIES = {
    "scan": "Look for key material in files, dumps and archives.",
    "registry": "List, check and extend a registry of protected keys.",
    "agent": "Guard a zone on this host.",
    "controller": "Decide, record and alert for all agents.",
    "login": "Trade a password for a certificate of a person.",
    "person": "Who the people are, and what they may do.",
    "policy": "Check, test and compare policies; propose them to a controller.",
    "change": "Approve or reject what another person has proposed.",
    "review": "Ask for releases of stopped files, and decide on them.",
    "host": "The hosts: how they are, bans, what they are told to do.",
    "incidents": "Leaked keys, and what is done about them.",
    "ledger": "Verify the append-only record of decisions.",
    "passport": "Verify that a file was scanned and may be taken.",
    "bundle": "Sign policies and rule packs, and verify them before they are used.",
    "demo": "Replay the incident with real parts.",
}
_USAGE = 2


def main() -> None:
    """Run the subcommand named first on the command line."""
    first, rest = (sys.argv[1], sys.argv[2:]) if len(sys.argv) > 1 else ("--help", [])
    if first == "scan":  # our own, and often called for a small file: found without a search
        from lockgate.cli.scan import app

        app(args=rest, prog_name="lockgate scan")
    commands = _installed()
    if first in commands:
        commands[first].load()(args=rest, prog_name=f"lockgate {first}")
    elif first in {"-h", "--help", "help"}:
        sys.stdout.write(_help(commands))
    elif first in {"-V", "--version"}:
        from importlib.metadata import version

        sys.stdout.write(f"lockgate {version('lockgate-scan')}\n")
    else:
        sys.stderr.write(_unknown(first, commands))
        sys.exit(_USAGE)


def _installed() -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points

    found = {entry.name: entry for entry in entry_points(group="lockgate.commands")}
    known = [name for name in _SUMMARIES if name in found]
    return {name: found[name] for name in (*known, *sorted(set(found) - set(known)))}


def _help(commands: dict[str, EntryPoint]) -> str:
    width = max(map(len, commands), default=0)
    lines = [f"  {name:<{width}}  {_SUMMARIES.get(name, '')}".rstrip() for name in commands]
    return "\n".join(
        (
            "Usage: lockgate COMMAND [OPTIONS] ...",
            "",
            "Finds private keys in dumps and archives before they leave a zone.",
            "",
            "Commands (of what is installed here):",
            *lines,
            "",
            "`lockgate COMMAND --help` explains one command; `lockgate --version` the version.",
            "",
        )
    )


def _unknown(name: str, commands: dict[str, EntryPoint]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, commands, 1)
    hint = f" Did you mean {near[0]!r}?" if near else f" There are: {', '.join(commands)}."
    return f"lockgate: no command {name!r}.{hint}\n"
