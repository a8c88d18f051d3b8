"""Appending to the ledger, and its proofs.

Rules enforced here:

1. An entry is appended in the caller's transaction, at the cost of O(log n) hashes at most:
   it is durable exactly when what it records is.
2. The size is read from the store in every transaction; the frontier kept in memory is used
   only when it belongs to that size, so that several processes may append to one store, each
   under the store's write lock from the beginning of its transaction to its end.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, RootTransaction, func, insert, select

from lockgate.controller.ledger import tree
from lockgate.controller.ledger.entry import entry_bytes, found_by
from lockgate.controller.ledger.note import sign_checkpoint
from lockgate.controller.ledger.schema import ledger_checkpoints, ledger_entries, ledger_nodes
from lockgate.controller.store.prepared import Prepared

# Statements of the hot path are built once: building costs more than SQLite's work.
_LAST_INDEX = Prepared(select(func.max(ledger_entries.c.index)))
_NEW_ENTRY = Prepared(insert(ledger_entries))
_NEW_NODE = Prepared(insert(ledger_nodes))


class Ledger:
    """The tree of one store. Used by one thread at a time."""

    def __init__(self) -> None:
        self._size = 0
        self._frontier: list[bytes] = []
        self._followed: RootTransaction | None = None

    def forget(self) -> None:
        """A transaction was rolled back: read the frontier from the store again."""
        self._size, self._frontier, self._followed = 0, [], None

    def append(self, connection: Connection, entry: Mapping[str, Any]) -> int:
        """Append ``entry`` in the transaction of ``connection``; its index, from 0.

        Raises:
            ValueError: the entry has no canonical form (see ``entry_bytes``).
        """
        raw = entry_bytes(entry)
        index = self._follow(connection)
        leaf = tree.leaf_hash(raw)
        row = {"index": index, "entry": raw, "leaf_hash": leaf, **found_by(entry)}
        _NEW_ENTRY.run(connection, row)
        completed = tree.append(index, self._frontier, leaf)
        self._size = index + 1
        for (level, place), value in completed:
            _NEW_NODE.run(connection, {"level": level, "index": place, "hash": value})
        return index

    def _follow(self, connection: Connection) -> int:
        """The size of the ledger, with the frontier made to fit."""
        transaction = connection.get_transaction()
        if transaction is not None and transaction is self._followed:
            return self._size
        size = size_of(connection)
        if size != self._size:
            self._frontier = [node_of(connection, node) for node in tree.frontier_nodes(size)]
            self._size = size
        self._followed = transaction
        return size

    def checkpoint(self, connection: Connection, key: Ed25519PrivateKey, origin: str) -> str:
        """Sign the tree as it stands in this transaction and keep the checkpoint.

        Hand the text to ``publishing.publish`` once the transaction is committed.
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
    last = _LAST_INDEX.scalar(connection, {})
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
