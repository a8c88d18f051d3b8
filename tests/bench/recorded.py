"""Whether a verdict costs the same with many transfers recorded: the store is filled beforehand.

The rows of one real verdict are written again and again with numbers of their own; the ledger's
tree over them is the real one, and published, as it would be after the time that they take.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import controller_load
from sqlalchemy import Connection, Select, Table, func, insert, select

from lockgate.controller import config, setup
from lockgate.controller.config import ControllerSettings
from lockgate.controller.identity import authority
from lockgate.controller.ledger import Ledger, publishing, tree
from lockgate.controller.ledger.schema import ledger_entries, ledger_nodes
from lockgate.controller.store.schema import requests, verdicts
from lockgate.wire.ids import uuid7

#: ``LOCKGATE_BENCH_RECORDED`` adds a size, such as 10000000.
SIZES = (10_000, 1_000_000, *map(int, filter(None, [os.environ.get("LOCKGATE_BENCH_RECORDED")])))
_BATCH = 20_000


@dataclass(frozen=True, slots=True)
class Recorded:
    """The load that a controller bore with ``transfers`` recorded."""

    transfers: int
    load: controller_load.Load


def run(folder: Path) -> list[Recorded]:
    """The same load at every size."""
    return [_measure(folder, size) for size in SIZES]


def _measure(folder: Path, size: int) -> Recorded:
    state, fleet = controller_load.made(folder, f"recorded-{size}")
    command = controller_load.controller_command(state)
    with controller_load.serving(*command) as address:
        controller_load.asked(address, fleet, "clean", seconds=0.5)
    settings = config.load(flags={"state_dir": state}, environment={})
    for count in _batches(size):
        setup.write(settings, partial(_fill, count=count))
    _publish(settings)
    fresh = folder / f"fresh-{size}"
    controller_load.admit(state, fresh)
    return Recorded(size, controller_load.measure("controller", command, fresh, "clean"))


def _batches(size: int) -> Iterator[int]:
    for first in range(0, size, _BATCH):
        yield min(_BATCH, size - first)


def _fill(connection: Connection, count: int) -> None:
    """Append ``count`` copies of the first verdict, with their entries and nodes."""
    verdict = _one(connection, select(verdicts))
    answer = _one(connection, select(requests))
    entry = _one(connection, select(ledger_entries).order_by(ledger_entries.c.index.desc()))
    size = (connection.execute(select(func.max(ledger_entries.c.index))).scalar() or 0) + 1
    frontier = [_hash_of(connection, node) for node in tree.frontier_nodes(size)]
    rows: dict[Table, list[dict[str, Any]]] = {
        table: [] for table in (verdicts, requests, ledger_entries, ledger_nodes)
    }
    for index in range(size, size + count):
        leaf = tree.leaf_hash(entry["entry"] + b"%d" % index)
        rows[ledger_entries].append({**entry, "index": index, "leaf_hash": leaf})
        rows[verdicts].append(
            {**verdict, "ledger_index": index, "transfer_id": uuid7(), "receipt_due_at": None}
        )
        rows[requests].append({**answer, "request_id": uuid7()})
        rows[ledger_nodes] += [
            {"level": level, "index": number, "hash": value}
            for (level, number), value in tree.append(index, frontier, leaf)
        ]
    for table, made in rows.items():
        connection.execute(insert(table), made)


def _publish(settings: ControllerSettings) -> None:
    """Sign for the tree and publish its tiles."""
    signer = authority.load_signing_key(settings.identity_dir / authority.LEDGER_KEY)
    origin = f"{authority.load(settings.identity_dir).trust_domain}/ledger"
    note = setup.write(settings, lambda c: Ledger().checkpoint(c, signer, origin))
    setup.write(settings, lambda c: publishing.publish(c, note, settings.ledger_folder))


def _one(connection: Connection, query: Select[Any]) -> dict[str, Any]:
    return dict(connection.execute(query.limit(1)).mappings().one())


def _hash_of(connection: Connection, node: tree.Node) -> bytes:
    level, index = node
    if level == 0:
        query = select(ledger_entries.c.leaf_hash).where(ledger_entries.c.index == index)
    else:
        query = select(ledger_nodes.c.hash).where(
            ledger_nodes.c.level == level, ledger_nodes.c.index == index
        )
    return bytes(connection.execute(query).scalar_one())
