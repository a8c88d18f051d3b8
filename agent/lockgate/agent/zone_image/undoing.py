"""Undoing a folder's own filesystem, from whatever step its making or undoing had come to.

Rules enforced here:

1. The image is removed only after its content is back in the folder, was compared byte by
   byte, and is on disk.
2. While content goes back the zone is read-only: a writer gets an error, never a lost file.
3. What is in the folder only, or is newer there, stays, unless the zone was complete: a
   making that was cut short may not have carried it over.
"""

from __future__ import annotations

from pathlib import Path

from lockgate.agent.zone_image import checks, fstab, mounting, tools
from lockgate.agent.zone_image.checks import ZoneImageError
from lockgate.agent.zone_image.record import Records, Step, ZoneImage
from lockgate.scan.names import escape_name


def undo(records: Records, path: Path) -> ZoneImage:
    """Put the content back into the folder, and remove mount, fstab entry and image.

    Raises:
        ZoneImageError: nothing is known of ``path``, or it is in use.
        ToolError, OSError: a program or the kernel refused; ``undo`` can be tried again.
    """
    checks.check_root()
    zone = records.find(path)
    if zone is None:
        shown = escape_name(str(path))
        raise ZoneImageError(f"{shown}: was not made by `zone create`; see `zone list`")
    mounting.unmount(records.inside(zone))
    mounting.unmount(records.below(zone))
    _bring_back(records, zone)
    _leave_fstab(zone)
    if mounting.is_mounted(zone):
        checks.check_unused(zone.path)
        tools.run("umount", zone.path)
    zone.image.unlink(missing_ok=True)
    records.remove(zone)
    return zone


def _bring_back(records: Records, zone: ZoneImage) -> None:
    if mounting.is_mounted(zone):
        options = ("--delete",) if zone.step is Step.DONE else ("--update",)
        with mounting.read_only(zone), mounting.beneath(zone, records.below(zone)) as below:
            mounting.copied(zone.path, below, *options)
            records.keep(zone, Step.RETURNED)
    elif zone.step in {Step.SWITCHED, Step.DONE} and zone.image.exists():
        checks.check_unused(zone.path)
        with mounting.aside(zone, records.inside(zone), "ro") as inside:
            mounting.copied(inside, zone.path, "--update")
            records.keep(zone, Step.RETURNED)


def _leave_fstab(zone: ZoneImage) -> None:
    before = fstab.read(zone.fstab)
    after = fstab.without_entry(before, zone.key)
    if after != before:
        fstab.replace(zone.fstab, after)
        mounting.reload(zone.fstab)
