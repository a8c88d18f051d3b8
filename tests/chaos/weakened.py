"""Agents whose guard lacks one thing: the detectors must see what that thing is for.

Usage: ``weakened.py WEAKNESS lockgate-arguments...``. Each weakness takes one rule of the guard
away and leaves everything else as it is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from lockgate.agent.guard import admissions, cache, group
from lockgate.cli.main import main


def without_holder() -> None:
    """A holder that died is not replaced: then the death of the agent opens everything."""
    group.GroupLink._replace_holder = lambda self: self._forget_connection()


def writers_beside_readers() -> None:
    """A writer is let in to a file that somebody was let in to read."""
    admissions.Admissions.obstruct = lambda _self, _opening: False


def by_inode_alone() -> None:
    """A verdict belongs to a file, whatever its bytes have become."""
    cache.VerdictCache.forget = lambda _self, _inode: None
    cache.VerdictCache.passes = lambda self, inode, _status, _now: inode in self._passes


WEAKNESSES: dict[str, Callable[[], None]] = {
    "without-holder": without_holder,
    "writers-beside-readers": writers_beside_readers,
    "by-inode-alone": by_inode_alone,
}

if __name__ == "__main__":
    WEAKNESSES[sys.argv[1]]()
    sys.argv = ["lockgate", *sys.argv[2:]]
    main()
