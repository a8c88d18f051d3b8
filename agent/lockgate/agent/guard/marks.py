"""The marks of a guard's zones: put on, kept, and followed to what is mounted there now.

Rules enforced here:

1. The holder has the pins before a mark is set.
2. A mark that somebody took away is put back within a beat. Its zone counts as unmarked until
   the beat after, so that whoever asks once a second hears of it.
3. What is mounted over a zone's path is guarded as soon as the kernel tells of the mount. The
   filesystem that was there before stays pinned and marked: processes still reach it.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

from lockgate.agent.guard import fanotify
from lockgate.agent.guard.group import GroupLink
from lockgate.agent.guard.zones import GuardedZone, ZoneError, is_elsewhere, open_zone, unmarked


class Marks:
    """The marks on the filesystems of ``zones``; ``strict``: zones where reads are judged.

    ``own_paths``: as for :func:`lockgate.agent.guard.zones.open_zone`.
    """

    def __init__(
        self,
        zones: Sequence[GuardedZone],
        link: GroupLink,
        strict: Collection[str],
        own_paths: Sequence[Path],
    ) -> None:
        self.zones = tuple(zones)
        #: Names of the zones that are not guarded, or were not a moment ago.
        self.missing: tuple[str, ...] = ()
        self._link = link
        self._strict = strict
        self._own_paths = own_paths
        self._mounts = os.open("/proc/self/mountinfo", os.O_RDONLY | os.O_CLOEXEC)
        self._mounts_changed = True
        self._unfit: set[str] = set()

    def fileno(self) -> int:
        """A descriptor with an urgent event (EPOLLPRI) whenever something is mounted."""
        return self._mounts

    def put(self) -> None:
        """Pin and mark all filesystems.

        Raises:
            OSError: the holder or the kernel did not take one; nothing is promised then.
        """
        self._link.pin([zone.directory for zone in self.zones])
        for zone in self.zones:
            strict = zone.zone.name in self._strict
            mask = fanotify.GUARD_MASK | (fanotify.ACCESS_PERM if strict else 0)
            fanotify.mark(self._link.group, zone.directory, mask)

    def mounts_changed(self) -> None:
        """The kernel told of a mount or unmount."""
        self._mounts_changed = True

    def keep(self) -> bool:
        """Put back what is lost; True when files may have been opened unseen before."""
        if self._mounts_changed:
            self._follow_mounts()
            self._mounts_changed = bool(self._unfit)  # what is unfit may become fit
        try:
            lost = unmarked(self.zones, self._link.group)
        except OSError:  # no descriptor left to look with: what is not known is missing
            self.missing = tuple(zone.zone.name for zone in self.zones)
            return False
        if lost:
            with suppress(OSError):  # it stays missing, and the next beat tries again
                self.put()
        self.missing = tuple(sorted({zone.zone.name for zone in lost} | self._unfit))
        return bool(lost)

    def _follow_mounts(self) -> None:
        """Guard what the zones' paths lead to now; what cannot be guarded is missing."""
        self._unfit.clear()
        there = {zone.path: zone for zone in self.zones}  # the last of a path is the newest
        for zone in there.values():
            if is_elsewhere(zone):
                try:
                    new = open_zone(zone.zone, Path(zone.path), self._own_paths)
                    self.zones = (*self.zones, new)
                except ZoneError:
                    self._unfit.add(zone.zone.name)
