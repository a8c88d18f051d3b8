"""Who opened a file, in words: from the opener of a receipt as the journal holds it.

Rules enforced here: what is not known is not said; a name never stands without its number
where only the number is sure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_SHOWN_DIGITS = 12


def process(opener: Mapping[str, Any]) -> str:
    """The process and its user."""
    program = opener["executable"] or "a process"
    user = _user(opener.get("user", ""), opener["uid"])
    return f"{program} (pid {opener['pid']}, user {user})"


def circumstances(opener: Mapping[str, Any]) -> Iterator[str]:
    """Where the process comes from and where it runs, one sentence each."""
    if opener.get("parents"):
        yield f"It was started by {', by '.join(opener['parents'])}."
    login = opener.get("login_uid")
    peer = opener.get("ssh_peer", "")
    if login is not None or peer:
        who = f" as {_user(opener.get('login_user', ''), login)}" if login is not None else ""
        yield f"Its user had logged in{who}{f' over ssh from {peer}' if peer else ''}."
    unit, container = opener.get("unit", ""), opener.get("container", "")
    if unit or container:
        inside = f" in the container {container[:_SHOWN_DIGITS]}" if container else ""
        yield f"It ran{f' in the unit {unit}' if unit else ''}{inside}."


def _user(name: str, uid: int | None) -> str:
    if uid is None:
        return "unknown"
    return f"{name} ({uid})" if name else str(uid)
