"""The ledger as the store holds it: for verification, for export and for proofs.

Rules enforced here:

1. Everything is read in one transaction: entries, nodes and checkpoints of one moment.
2. What the verifier gets is what stands in the store, byte for byte; it judges, this module
   only reads.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection, bindparam, select

from lockgate.controller.ledger import publishing, tree, verify
from lockgate.controller.ledger.ledger import node_of, size_of
from lockgate.controller.ledger.schema import ledger_checkpoints, ledger_entries, ledger_nodes

# As they stand: the store's own types would hide that somebody wrote text in place of bytes.
_ENTRIES = 'SELECT "index", entry, leaf_hash FROM ledger_entries ORDER BY "index"'
_NOTES = "SELECT note FROM ledger_checkpoints ORDER BY size"
_ROWS = {"stream_results": True, "yield_per": 1000}
_NODE = select(ledger_nodes.c.hash).where(
    ledger_nodes.c.level == bindparam("at"), ledger_nodes.c.index == bindparam("number")
)


def verify_store(
    connection: Connection,
    key: Ed25519PublicKey,
    kept: Sequence[str] = (),
    folder: Path | None = None,
) -> verify.Outcome:
    """What the verifier says of the store; ``folder`` is where it is published, if it is."""
    shown = _published(folder)  # before the store, where what is published stood first
    stored = [str(note) for (note,) in connection.exec_driver_sql(_NOTES)]
    notes = [*kept, *shown, *stored]
    outcome = verify.verify(records(connection), notes, key, partial(_keeps, connection))
    lost = "the published checkpoint is not among those of the store"
    missing = f"the published checkpoint ({publishing.CHECKPOINT}) is missing"
    problems = (
        *outcome.problems,
        *(lost for note in shown if note not in stored),
        *([missing] if folder is not None and stored and not shown else []),
    )
    return outcome._replace(problems=problems)


def _published(folder: Path | None) -> list[str]:
    if folder is None or not (folder / publishing.CHECKPOINT).exists():
        return []
    return [(folder / publishing.CHECKPOINT).read_text("utf-8", "replace")]


def records(connection: Connection) -> Iterator[verify.Record]:
    """Every entry in its order, as the verifier takes it."""
    rows = connection.execution_options(**_ROWS).exec_driver_sql(_ENTRIES)
    for number, entry, leaf_hash in rows:
        yield verify.Record(int(number), _raw(entry), _raw(leaf_hash))


def _raw(value: object) -> bytes:
    return bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()


def _keeps(connection: Connection, node: verify.Node) -> bool:
    level, number, value = node
    if level == 0:
        return True  # a leaf's hash stands with its entry
    try:
        found = connection.execute(_NODE, {"at": level, "number": number}).scalar()
    except TypeError:  # text in place of bytes
        return False
    return found == value


def notes(connection: Connection) -> list[str]:
    """Every checkpoint, the smallest tree first."""
    query = select(ledger_checkpoints.c.note).order_by(ledger_checkpoints.c.size)
    return list(connection.execute(query).scalars())


def newest_note(connection: Connection) -> str:
    """The checkpoint of the largest tree.

    Raises:
        LookupError: there is none.
    """
    query = select(ledger_checkpoints.c.note).order_by(ledger_checkpoints.c.size.desc()).limit(1)
    note = connection.execute(query).scalar()
    if note is None:
        raise LookupError("there is no checkpoint yet")
    return str(note)


def prove(connection: Connection, index: int, key: Ed25519PublicKey) -> dict[str, Any]:
    """One entry with its audit path under the newest checkpoint, as the verifier reads it.

    Raises:
        LookupError: that checkpoint is not signed by ``key``, or does not cover the entry.
    """
    note = newest_note(connection)
    opened = verify.open_checkpoint(note, key)
    if opened is None:
        raise LookupError("there is no checkpoint signed by this key")
    size, root = opened
    if index >= min(size, size_of(connection)):
        raise LookupError(f"entry {index} is not under the newest checkpoint ({size})")
    path = tree.inclusion_proof(lambda node: node_of(connection, node), index, size)
    query = select(ledger_entries.c.entry).where(ledger_entries.c.index == index)
    entry = bytes(connection.execute(query).scalar() or b"")
    leaf = tree.leaf_hash(entry) if entry else node_of(connection, (0, index))
    return {
        "checkpoint": note,
        "entry": entry.decode("ascii", "backslashreplace"),
        "index": index,
        "leaf": leaf.hex(),
        "proof": [base64.b64encode(node).decode("ascii") for node in path],
        "root": root.hex(),
        "size": size,
        "verified": tree.inclusion_holds(leaf, index, size, path, root),
    }
