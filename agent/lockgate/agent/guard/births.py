"""When files were made: an inode number that is given again names another file.

Rules enforced here:

1. Two births under one number are two files, and nobody has the former open any more: a
   filesystem gives a number again only when the last descriptor is closed (inode(7)).
2. What is not known proves nothing: a filesystem without births, and a number that was seen
   too long ago, since the memory is bounded.
"""

from __future__ import annotations

from collections import OrderedDict

from lockgate.agent.guard.cache import Inode


class Births:
    """The births of the files that were asked for last, by inode."""

    def __init__(self, limit: int = 8192) -> None:
        self._births: OrderedDict[Inode, int] = OrderedDict()
        self._limit = limit

    def is_another(self, inode: Inode, birth: int | None) -> bool:
        """Whether the number named another file when it was seen last."""
        known = self._births.pop(inode, None)
        if birth is None:
            return False
        self._births[inode] = birth
        if len(self._births) > self._limit:
            self._births.popitem(last=False)
        return known is not None and known != birth
