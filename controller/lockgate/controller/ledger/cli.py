"""``lockgate ledger``: verify a ledger offline, export it, prove that an entry is in it.

Exit codes: 0 whole or proven, 1 not, 2 nothing to read.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection, create_engine, select

from lockgate.controller.ledger import tree
from lockgate.controller.ledger import verify as verifier
from lockgate.controller.ledger.ledger import node_of, size_of
from lockgate.controller.ledger.schema import ledger_checkpoints, ledger_entries
from lockgate.controller.store.database import StoreError, store_faults

app = typer.Typer(help="Verify, export and prove the ledger.", no_args_is_help=True)

_STATE = Path("/var/lib/lockgate/controller")
StateDir = Annotated[Path, typer.Option("--dir", help="State folder of the controller.")]
KeyFile = Annotated[
    Path | None,
    typer.Option("--key", help="Public key of the ledger, PEM; default: the folder's."),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]


def _fail(error: Exception) -> typer.Exit:
    typer.echo(str(error), err=True)
    return typer.Exit(2)


def _key_file(place: Path, key: Path | None) -> Path:
    folder = place if place.is_dir() else place.parent
    return key or folder / "identity" / "ledger.pub"


@app.command()
def verify(
    path: Annotated[Path, typer.Argument(help="State folder, SQLite store or export.")] = _STATE,
    key: KeyFile = None,
    checkpoint: Annotated[
        list[Path] | None, typer.Option(help="A checkpoint kept elsewhere; may be repeated.")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Compute every hash again and compare with every signed checkpoint; needs no controller."""
    try:
        public = verifier.load_key(_key_file(path, key))
        kept = [file.read_text("utf-8", "replace") for file in checkpoint or []]
        outcome = verifier.verify_path(path, public, kept)
    except (verifier.UnreadableLedger, OSError) as error:
        raise _fail(error) from None
    if as_json:
        shown = {name: getattr(outcome, name) for name in outcome.__slots__}
        typer.echo(json.dumps({"whole": not outcome.problems, **shown}))
    else:
        for problem in outcome.problems:
            typer.echo(f"PROBLEM: {problem}")
        typer.echo(_sentence(outcome))
    raise typer.Exit(1 if outcome.problems else 0)


def _sentence(outcome: verifier.Outcome) -> str:
    state = "NOT WHOLE" if outcome.problems else "whole"
    later = outcome.size - outcome.covered
    signed = "all of them" if later == 0 else f"all but the last {later}"
    if outcome.covered == 0:
        signed = "none of them"
    return f"{state}: {outcome.size} entries, {signed} signed for, root {outcome.root}"


@app.command()
def export(
    out: Annotated[Path, typer.Option(help="File to write; must not exist.")],
    state_dir: StateDir = _STATE,
) -> None:
    """Write every entry as a JSON line, then every checkpoint."""
    entries = select(ledger_entries.c.entry).order_by(ledger_entries.c.index)
    notes = select(ledger_checkpoints.c.note).order_by(ledger_checkpoints.c.size)
    try:
        with _reading(state_dir) as connection, out.open("xb") as file:
            for (entry,) in connection.execute(entries):
                file.write(entry + b"\n")
            for (note,) in connection.execute(notes):
                line = json.dumps({"checkpoint": note}, separators=(",", ":"))
                file.write(line.encode("ascii") + b"\n")
    except (OSError, StoreError, LookupError) as error:
        raise _fail(error) from None


@app.command()
def prove(
    index: Annotated[int, typer.Argument(help="Index of the entry.")],
    state_dir: StateDir = _STATE,
    key: KeyFile = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Prove that an entry is in the tree of the newest signed checkpoint that covers it."""
    try:
        public = verifier.load_key(_key_file(state_dir, key))
        with _reading(state_dir) as connection:
            proof = _prove(connection, index, public)
    except (verifier.UnreadableLedger, OSError, StoreError, LookupError) as error:
        raise _fail(error) from None
    if as_json:
        typer.echo(json.dumps(proof))
    else:
        state = "proven" if proof["verified"] else "NOT PROVEN"
        typer.echo(f"{state}: entry {index} of {proof['size']}, root {proof['root']}")
        typer.echo(proof["entry"])
    raise typer.Exit(0 if proof["verified"] else 1)


def _prove(connection: Connection, index: int, key: Ed25519PublicKey) -> dict[str, Any]:
    newest = select(ledger_checkpoints.c.note).order_by(ledger_checkpoints.c.size.desc()).limit(1)
    note = str(connection.execute(newest).scalar() or "")
    opened = verifier.open_checkpoint(note, key)
    if opened is None:
        raise LookupError("there is no checkpoint signed by this key")
    if index >= min(opened.size, size_of(connection)):
        raise LookupError(f"entry {index} is not under the newest checkpoint ({opened.size})")
    path = tree.inclusion_proof(lambda node: node_of(connection, node), index, opened.size)
    query = select(ledger_entries.c.entry).where(ledger_entries.c.index == index)
    entry = bytes(connection.execute(query).scalar() or b"")
    held = tree.inclusion_holds(tree.leaf_hash(entry), index, opened.size, path, opened.root)
    return {
        "index": index,
        "size": opened.size,
        "root": opened.root.hex(),
        "entry": entry.decode("ascii", "backslashreplace"),
        "proof": [base64.b64encode(node).decode("ascii") for node in path],
        "checkpoint": note,
        "verified": held,
    }


@contextmanager
def _reading(state_dir: Path) -> Iterator[Connection]:
    store = (state_dir / "controller.db").resolve()
    if not store.exists():
        raise FileNotFoundError(f"{store}: no store here")
    engine = create_engine(f"sqlite:///file:{store}?mode=ro&uri=true")
    try:
        with store_faults(), engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")  # entries and checkpoints of one moment
            yield connection
    except TypeError:  # SQLite keeps any type in any column; SQLAlchemy then cannot make bytes
        raise LookupError(f"{store}: text stands where bytes belong") from None
    finally:
        engine.dispose()
