"""The ``lockgate`` command: subcommands of all installed distributions.

Rules enforced here:

1. A subcommand is an entry point of the group ``lockgate.commands``; it is imported only when
   it is called, so that ``lockgate --help`` starts fast and one broken part breaks no other.
2. Each entry point is a :class:`typer.Typer` application.
"""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint, entry_points, version

#: One line for each known subcommand, so that ``--help`` imports none of them.
_SUMMARIES = {
    "scan": "Look for key material in files, dumps and archives.",
    "registry": "List, check and extend a registry of protected keys.",
    "agent": "Guard a zone on this host.",
    "controller": "Decide, record and alert for all agents.",
    "ledger": "Verify the append-only record of decisions.",
    "demo": "Replay the incident with real parts.",
}
_USAGE = 2


def main() -> None:
    """Run the subcommand named first on the command line."""
    commands = _installed()
    first, rest = (sys.argv[1], sys.argv[2:]) if len(sys.argv) > 1 else ("--help", [])
    if first in commands:
        commands[first].load()(args=rest, prog_name=f"lockgate {first}")
    elif first in {"-h", "--help", "help"}:
        sys.stdout.write(_help(commands))
    elif first in {"-V", "--version"}:
        sys.stdout.write(f"lockgate {version('lockgate-scan')}\n")
    else:
        sys.stderr.write(_unknown(first, commands))
        sys.exit(_USAGE)


def _installed() -> dict[str, EntryPoint]:
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
