"""Whether a ledger was put back: entries that were signed for, and are there no more.

Rules enforced here:

1. What counts as known is what this key signed: the published checkpoint, that of the store
   that stands, and those that an operator kept elsewhere; and the entries of the store that stands,
   signed for or not yet. A note that the key did not sign is refused, never ignored.
2. A controller does not start on a ledger that is shorter than what it has published, or another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection

from lockgate.controller.backup.archive import BackupError
from lockgate.controller.ledger import publishing
from lockgate.controller.ledger import verify as verifier
from lockgate.controller.ledger.ledger import size_of
from lockgate.controller.store.database import StoreError


@dataclass(frozen=True, slots=True)
class Known:
    """So many entries there were: the key signed for them, or the store held them."""

    size: int
    note: str


def open_notes(notes: Iterable[str], key: Ed25519PublicKey) -> list[Known]:
    """The checkpoints in ``notes``.

    Raises:
        BackupError: one is not signed by ``key``.
    """
    found = []
    for note in notes:
        opened = verifier.open_checkpoint(note, key)
        if opened is None:
            raise BackupError("a checkpoint is not signed by the key of this ledger")
        found.append(Known(opened[0], note))
    return found


def lost(size: int, known: Sequence[Known]) -> Known | None:
    """The most entries known of that a ledger of ``size`` falls short of; None: of none."""
    beyond = [each for each in known if each.size > size]
    return max(beyond, key=lambda each: each.size, default=None)


def refuse_rewound(connection: Connection, folder: Path) -> None:
    """Demand that the store holds all that is published in ``folder``.

    Raises:
        StoreError: it does not.
    """
    size, published = size_of(connection), publishing.published_size(folder)
    if size < published:
        raise StoreError(
            f"the ledger has {size} entries, but {published} were published in {folder}: the"
            " store was put back; use `lockgate controller restore`"
        )
    try:
        publishing.check_history(connection, folder)
    except publishing.OtherHistoryError as error:
        raise StoreError(f"{error}; put that folder aside only once you know why") from None
