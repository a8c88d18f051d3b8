"""The file of a backup: an uncompressed tar that is complete or does not exist.

Rules enforced here:

1. The file has mode 0600 from its first byte (it holds paths and names of people, and private
   keys when asked for), is synced, and gets its name last.
2. ``manifest.json`` is its first member and says what the others are; of the members only known
   names are read, none is ever extracted by its own path.
3. A file that ends before the end of its archive is no backup: cut between two members, it would
   read as one that has fewer.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

VERSION = 1
_MANIFEST = "manifest.json"
_MOST_MANIFEST = 1 << 20
#: What every archive ends with; more of it may follow.
_END = bytes(2 * tarfile.BLOCKSIZE)


class BackupError(Exception):
    """A backup cannot be made or used; the text is for the operator."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds. ``kind`` of store: ``sqlite`` or ``postgresql``.

    ``size`` is that of the ledger, ``checkpoint`` the signed note over all of it, and
    ``ledger_public`` the key (PEM) that signed it.
    """

    version: int
    kind: str
    made_at: str
    size: int
    checkpoint: str
    ledger_public: str

    def __post_init__(self) -> None:
        numbers, texts = (self.version, self.size), (self.kind, self.checkpoint, self.ledger_public)
        if not all(type(one) is int for one in numbers):
            raise TypeError("not a number")
        if not all(type(one) is str for one in texts):
            raise TypeError("not a text")
        datetime.fromisoformat(self.made_at)


def write(out: Path, manifest: Manifest, files: Mapping[str, Path]) -> None:
    """Make the file ``out`` of ``files`` by member name.

    Raises:
        FileExistsError: there is one already.
        OSError: it cannot be written.
    """
    if out.exists():
        raise FileExistsError(f"{out}: exists already")
    fresh = out.with_name(f".{out.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        with tarfile.open(fileobj=file, mode="w") as tar:
            _add(tar, _MANIFEST, json.dumps(dataclasses.asdict(manifest)).encode())
            for name, path in files.items():
                tar.add(path, name, recursive=False, filter=_without_owner)
        file.flush()
        os.fsync(descriptor)
    fresh.rename(out)


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o600
    tar.addfile(member, io.BytesIO(content))


def _without_owner(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def read_manifest(path: Path) -> Manifest:
    """What the backup says of itself.

    Raises:
        BackupError: it is no backup, or of a newer version.
    """
    try:
        with tarfile.open(path, "r:") as tar:
            first = tar.next()
            if first is None or first.name != _MANIFEST or first.size > _MOST_MANIFEST:
                raise BackupError(f"{path}: not a backup")
            member = tar.extractfile(first)
            manifest = Manifest(**json.loads(member.read() if member else b""))
            last = tar.getmembers()[-1]
        if not _ends_after(path, last):
            raise BackupError(f"{path}: not a whole backup: its end is missing")
    except (tarfile.TarError, ValueError, TypeError, RecursionError, OSError):
        raise BackupError(f"{path}: not a readable backup") from None
    if manifest.version != VERSION:
        raise BackupError(f"{path}: made by another version of lockgate")
    return manifest


def _ends_after(path: Path, last: tarfile.TarInfo) -> bool:
    """Whether the archive ends, as archives do, after the last member that can be read of it."""
    blocks = -(-last.size // tarfile.BLOCKSIZE)
    with path.open("rb") as file:
        file.seek(last.offset_data + blocks * tarfile.BLOCKSIZE)
        return file.read(len(_END)) == _END


def take_out(path: Path, name: str, target: Path) -> bool:
    """Write member ``name`` to the new file ``target`` (0600); False when there is no such member.

    Raises:
        BackupError: the backup cannot be read.
    """
    try:
        with tarfile.open(path, "r:") as tar:
            member = next((each for each in tar if each.name == name and each.isreg()), None)
            source = tar.extractfile(member) if member else None
            if source is None:
                return False
            descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                shutil.copyfileobj(source, file)
                file.flush()
                os.fsync(descriptor)
    except (tarfile.TarError, ValueError):
        raise BackupError(f"{path}: not a readable backup") from None
    return True


def names(path: Path, below: str) -> list[str]:
    """The names of the regular members in the folder ``below`` of the backup.

    Raises:
        BackupError: the backup cannot be read.
    """
    try:
        with tarfile.open(path, "r:") as tar:
            found = [member.name for member in tar if member.isreg()]
    except (tarfile.TarError, ValueError):
        raise BackupError(f"{path}: not a readable backup") from None
    prefix = f"{below}/"
    return [n for n in found if n.startswith(prefix) and "/" not in n[len(prefix) :]]
