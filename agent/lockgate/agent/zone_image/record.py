"""What is written down of a folder that is made a filesystem of its own, or is half made.

The steps, each written down before it begins::

    BEGUN     image allocated, filesystem made, content copied
    COPIED    copied once more and compared, while no process uses the folder
    SWITCHED  fstab entry, mounted over the folder, late changes carried over
    DONE      the old content, hidden below the mount, is removed
    RETURNED  by undo: the content is back in the folder, and was compared

Rules enforced here: a record is on disk before its step begins, and the last thing to go.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from lockgate.agent.durable import sync_directory, write_durably
from lockgate.agent.zone_image.checks import Filesystem
from lockgate.scan.words import Word
from lockgate.wire.ids import uuid7

_FOLDER = "zones"


class Step(Word):
    """How far the making or undoing of a zone's filesystem is."""

    BEGUN = "begun", "The image is being made; the folder is as it was."
    COPIED = "copied", "The image holds a copy; the folder is as it was."
    SWITCHED = "switched", "The image is being mounted, or is mounted, over the folder."
    DONE = "done", "The folder is a filesystem of its own."
    RETURNED = "returned", "The content is back in the folder; the image is being removed."


@dataclass(frozen=True, slots=True)
class ZoneImage:
    """A folder with a filesystem of its own; ``size`` in bytes."""

    key: str
    path: Path
    image: Path
    size: int
    kind: Filesystem
    fstab: Path
    step: Step = Step.BEGUN


@dataclass(frozen=True, slots=True)
class Records:
    """The records in an agent's state folder."""

    folder: Path

    @classmethod
    def of(cls, state_dir: Path) -> Records:
        """The records of the agent that keeps its state there."""
        return cls(state_dir.resolve() / _FOLDER)

    def new(
        self, path: Path, size: int, kind: Filesystem, image: Path | None, fstab: Path
    ) -> ZoneImage:
        """What is to be made of ``path``; the image lies with the records unless it is named."""
        key = uuid7()
        chosen = image.absolute() if image else self.folder / f"{key}.img"
        return ZoneImage(key, path.resolve(), chosen, size, kind, fstab.absolute())

    def all(self) -> list[ZoneImage]:
        """Every folder that was made, or is half made, oldest first."""
        return [_read(path) for path in sorted(self.folder.glob("*.json"))]

    def find(self, path: Path) -> ZoneImage | None:
        """The record of a folder."""
        return next((zone for zone in self.all() if zone.path == path), None)

    def keep(self, zone: ZoneImage, step: Step) -> ZoneImage:
        """Write down that ``step`` begins.

        Raises:
            OSError: it is not certain that the record is on disk.
        """
        kept = replace(zone, step=step)
        plain = {name: str(value) for name, value in asdict(kept).items()}
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_durably(self._path(zone), plain)
        return kept

    def remove(self, zone: ZoneImage) -> None:
        """Forget a folder."""
        self._path(zone).unlink()
        sync_directory(self.folder)

    def inside(self, zone: ZoneImage) -> Path:
        """Where the image is mounted while it is filled or read aside."""
        return self.folder / f"{zone.key}.inside"

    def below(self, zone: ZoneImage) -> Path:
        """Where the filesystem below the mount is seen."""
        return self.folder / f"{zone.key}.below"

    def _path(self, zone: ZoneImage) -> Path:
        return self.folder / f"{zone.key}.json"


def _read(path: Path) -> ZoneImage:
    fields = json.loads(path.read_bytes())
    return ZoneImage(
        key=fields["key"],
        path=Path(fields["path"]),
        image=Path(fields["image"]),
        size=int(fields["size"]),
        kind=Filesystem(fields["kind"]),
        fstab=Path(fields["fstab"]),
        step=Step(fields["step"]),
    )
