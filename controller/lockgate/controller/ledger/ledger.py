"""Appending to the ledger, and its proofs.

Rules enforced here:

1. An entry is appended in the caller's transaction, at the cost of O(log n) hashes at most:
   it is durable exactly when what it records is.
2. The size is read from the store at every append; the frontier kept in memory is used only
   when it belongs to that size, so that several processes may append to one store under the
   store's write lock.
3. The checkpoint file is replaced in one step and never with a smaller tree.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, func, insert, select

from lockgate.controller.ledger import tree
from lockgate.controller.ledger.entry import entry_bytes
from lockgate.controller.ledger.note import sign_checkpoint
from lockgate.controller.ledger.schema import ledger_checkpoints, ledger_entries, ledger_nodes

# Statements of the hot path are built once: building costs more than SQLite's work.
_LAST_INDEX = select(func.max(ledger_entries.c.index))
_NEW_ENTRY = insert(ledger_entries)
_NEW_NODE = insert(ledger_nodes)


class Ledger:
    """The tree of one store. Used by one thread at a time."""

    def __init__(self) -> None:
        self._size = 0
        self._frontier: list[bytes] = []

    def forget(self) -> None:
        """A transaction was rolled back: read the frontier from the store again."""
        self._size, self._frontier = 0, []

    def append(self, connection: Connection, entry: Mapping[str, Any]) -> int:
        """Append ``entry`` in the transaction of ``connection``; its index, from 0.

        Raises:
            ValueError: the entry has no canonical form (see ``entry_bytes``).
        """
        raw = entry_bytes(entry)
        index = self._follow(connection)
        leaf = tree.leaf_hash(raw)
        connection.execute(_NEW_ENTRY, {"index": index, "entry": raw, "leaf_hash": leaf})
        completed = tree.append(index, self._frontier, leaf)
        self._size = index + 1
        if completed:
            rows = [
                {"level": node[0], "index": node[1], "hash": value} for node, value in completed
            ]
            connection.execute(_NEW_NODE, rows)
        return index

    def _follow(self, connection: Connection) -> int:
        """The size of the ledger, with the frontier made to fit."""
        size = size_of(connection)
        if size != self._size:
            self._frontier = [node_of(connection, node) for node in tree.frontier_nodes(size)]
            self._size = size
        return size

    def checkpoint(self, connection: Connection, key: Ed25519PrivateKey, origin: str) -> str:
        """Sign the tree as it stands in this transaction and keep the checkpoint.

        Hand the text to :func:`publish` once the transaction is committed.
        """
        size = self._follow(connection)
        known = select(ledger_checkpoints.c.note).where(ledger_checkpoints.c.size == size)
        note = connection.execute(known).scalar()
        if note is None:
            note = sign_checkpoint(key, origin, size, tree.root(self._frontier))
            connection.execute(insert(ledger_checkpoints).values(size=size, note=note))
        return str(note)


def size_of(connection: Connection) -> int:
    """How many entries there are."""
    last = connection.execute(_LAST_INDEX).scalar()
    return 0 if last is None else int(last) + 1


def node_of(connection: Connection, node: tree.Node) -> bytes:
    """The hash of a complete subtree.

    Raises:
        LookupError: the store has lost it.
    """
    level, index = node
    if level:
        query = select(ledger_nodes.c.hash).where(
            ledger_nodes.c.level == level, ledger_nodes.c.index == index
        )
    else:
        query = select(ledger_entries.c.leaf_hash).where(ledger_entries.c.index == index)
    found = connection.execute(query).scalar()
    if found is None:
        raise LookupError(f"the ledger lacks node {level}/{index}")
    return bytes(found)


def publish(note: str, state_dir: Path) -> Path:
    """Write a committed checkpoint to ``ledger/checkpoint`` of the state folder, durably."""
    folder = state_dir / "ledger"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    target = folder / "checkpoint"
    with contextlib.suppress(OSError, ValueError, IndexError):
        if int(target.read_text("utf-8").split("\n")[1]) > int(note.split("\n")[1]):
            return target
    fresh = folder / "checkpoint.new"
    with fresh.open("w", encoding="utf-8") as file:
        file.write(note)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(target)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return target
