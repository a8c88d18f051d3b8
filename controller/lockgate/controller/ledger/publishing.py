"""The ledger in a folder that can be served or shipped to write-once storage as it is.

Rules enforced here:

1. Tiles and bundles first, the checkpoint that covers them last: whoever has the checkpoint
   can get all that it speaks of, whenever this process dies.
2. Every file appears whole, synced, in one step. What is there already is compared, checkpoint and
   tiles, never written again: another content means another history, and nothing is published.
3. Only expiry writes a bundle again; see :func:`drop`.
4. The checkpoint is never replaced by one of a smaller tree.
"""

from __future__ import annotations

import base64
import contextlib
import shutil
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, select

from lockgate.controller import clock, files
from lockgate.controller.ledger import tiles, tree
from lockgate.controller.ledger.ledger import node_of, size_of
from lockgate.controller.ledger.schema import ledger_entries, ledger_nodes
from lockgate.controller.ledger.tiles import Tile
from lockgate.controller.store.faults import StoreError

CHECKPOINT = "checkpoint"
#: How long whoever reads for an earlier checkpoint finds its partial tiles.
_PARTIALS_KEPT_SECONDS = 3600.0


class OtherHistoryError(OSError):
    """The folder holds the tiles of another ledger, or of another history of this one."""


def publish(connection: Connection, note: str, folder: Path) -> None:
    """Bring ``folder`` to the committed checkpoint ``note``.

    Raises:
        OtherHistoryError: the folder is not of this history.
        StoreError: the store has lost an entry or a node.
    """
    size, known = size_of_note(note), published_size(folder)
    check_history(connection, folder)
    if known > size:
        return
    for tile in tiles.grown(known, size):
        _write_once(folder / tile.path, _hashes(connection, tile))
        if tile.level == 0:
            files.replace(folder / tile.bundle_path, _entries(connection, tile))
    files.replace(folder / CHECKPOINT, note.encode())


def check_history(connection: Connection, folder: Path) -> None:
    """Refuse a folder whose tree is not the beginning of the store's.

    Raises:
        OtherHistoryError: it is not.
        StoreError: the store has lost a node.
    """
    (known, said), held = _published(folder), size_of(connection)
    if not known:
        return
    try:
        root = tree.range_hash(partial(node_of, connection), 0, known) if held >= known else b""
    except LookupError as error:
        raise StoreError(str(error)) from None
    if base64.b64encode(root).decode("ascii") != said:
        raise OtherHistoryError(f"{folder}: holds another history of the ledger")


def drop(connection: Connection, folder: Path, ranges: Iterable[tuple[int, int]]) -> None:
    """Write the bundles of these entries again, now that the store has dropped their bytes."""
    size = published_size(folder)
    for first, last in ranges:
        for tile in tiles.holding(first, last, size):
            target = folder / tile.bundle_path
            parts = target.with_name(f"{target.name}.p") if tile.is_full else target.parent
            shutil.rmtree(parts, ignore_errors=True)  # earlier widths hold the bytes
            files.replace(target, _entries(connection, tile))


def remove_partials(folder: Path) -> None:
    """Delete partial tiles and bundles whose full one has been there for an hour."""
    before = clock.now().timestamp() - _PARTIALS_KEPT_SECONDS
    for parts in (folder / "tile").rglob("*.p"):
        with contextlib.suppress(FileNotFoundError):
            if parts.with_suffix("").stat().st_mtime < before:
                shutil.rmtree(parts)


def size_of_note(note: str) -> int:
    """The size of the tree that a checkpoint of ours speaks of."""
    return int(note.split("\n")[1])


def published_size(folder: Path) -> int:
    """The size of the tree that the folder holds; 0 for none."""
    return _published(folder)[0]


def _published(folder: Path) -> tuple[int, str]:
    """Size and root of the tree that the folder holds; 0 when there is no readable checkpoint."""
    with contextlib.suppress(OSError, ValueError):
        _, size, root, *_ = (folder / CHECKPOINT).read_text("utf-8").split("\n")
        return (int(size), root) if root else (0, "")
    return 0, ""


def _hashes(connection: Connection, tile: Tile) -> bytes:
    if tile.level == 0:
        index, column = ledger_entries.c.index, ledger_entries.c.leaf_hash
        query = select(column)
    else:
        index, column = ledger_nodes.c.index, ledger_nodes.c.hash
        query = select(column).where(ledger_nodes.c.level == tile.level * 8)
    whole = query.where(index >= tile.first, index < tile.first + tile.width).order_by(index)
    found = list(connection.execute(whole).scalars())
    if len(found) != tile.width:
        raise StoreError(f"the ledger lacks hashes of {tile.path}")
    return b"".join(found)


def _entries(connection: Connection, tile: Tile) -> bytes:
    index = ledger_entries.c.index
    query = select(ledger_entries.c.entry).where(
        index >= tile.first, index < tile.first + tile.width
    )
    return tiles.bundle(connection.execute(query.order_by(index)).scalars())


def _write_once(target: Path, content: bytes) -> None:
    if not target.exists():
        files.replace(target, content)
    elif target.read_bytes() != content:
        raise OtherHistoryError(f"{target}: holds another history of the ledger")
