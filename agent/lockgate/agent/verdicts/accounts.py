"""Names of the users behind an open, from /etc/passwd and from nowhere else.

Rules enforced here:

1. getpwuid(3) is not asked: it may wait for a directory server, or for a file of a guarded
   zone. A user that only such a server knows has a number and no name.
2. Names are added off the way of the open: by the thread that decides and records.
3. The file is read again when it changed; what cannot be read names nobody.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from lockgate.scan.names import escape_name
from lockgate.wire.transfer import Opener

_PASSWD = Path("/etc/passwd")
_MOST_BYTES = 4 << 20


def parse_passwd(text: str) -> dict[int, str]:
    """User number -> name (passwd(5)); of several names of one number the first."""
    names: dict[int, str] = {}
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) > 2 and fields[0] and fields[2].isdecimal():
            names.setdefault(int(fields[2]), escape_name(fields[0]))
    return names


class Accounts:
    """The users of this host; used from one thread."""

    def __init__(self, passwd: Path = _PASSWD) -> None:
        self._passwd = passwd
        self._seen: tuple[int, int, int] | None = None
        self._names: dict[int, str] = {}

    def named(self, opener: Opener | None) -> Opener | None:
        """The opener with the names of its user and login user, where they are known."""
        if opener is None or opener.user or opener.login_user:
            return opener
        self._refresh()
        return replace(opener, user=self._of(opener.uid), login_user=self._of(opener.login_uid))

    def _of(self, uid: int | None) -> str:
        return "" if uid is None else self._names.get(uid, "")

    def _refresh(self) -> None:
        try:
            status = os.stat(self._passwd)  # noqa: PTH116 - the numbers are wanted
            seen = (status.st_ino, status.st_size, status.st_mtime_ns)
            if seen == self._seen:
                return
            with self._passwd.open("rb") as source:
                text = source.read(_MOST_BYTES).decode("utf-8", "surrogateescape")
        except OSError:
            self._names, self._seen = {}, None
            return
        self._names, self._seen = parse_passwd(text), seen
