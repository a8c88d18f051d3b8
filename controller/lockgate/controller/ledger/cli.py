"""``lockgate ledger``: verify a ledger offline, export it, prove that an entry is in it.

Exit codes: 0 whole or proven, 1 not, 2 nothing to read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection

from lockgate.controller import config
from lockgate.controller.api import TIMEOUT_S as TIMEOUT
from lockgate.controller.api import session
from lockgate.controller.config import ControllerSettings
from lockgate.controller.evidence import cli as questions
from lockgate.controller.ledger import publishing, stored
from lockgate.controller.ledger import verify as verifier
from lockgate.controller.ledger.ledger import size_of
from lockgate.controller.ledger.local import (
    ApiLogin,
    faults,
    reading,
    reads_store,
)
from lockgate.controller.options import AsJson, Config, Dir
from lockgate.controller.retention import cli as retention_cli
from lockgate.controller.store.database import open_reader, store_faults
from lockgate.v1 import ledger_pb2, ledger_pb2_grpc

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Verify, export, prove and ask the ledger.",
)
app.add_typer(questions.app)
app.add_typer(retention_cli.app)

KeyFile = Annotated[
    Path | None,
    typer.Option("--key", help="Public key of the ledger, PEM; default: the folder's."),
]
_SQLITE = b"SQLite format 3\0"


def _key_of(settings: ControllerSettings, key: Path | None) -> Ed25519PublicKey:
    return verifier.load_key(key or settings.identity_dir / "ledger.pub")


@app.command()
def verify(
    path: Annotated[
        Path | None,
        typer.Argument(help="State folder, folder of tiles, SQLite store, export or proof."),
    ] = None,
    key: KeyFile = None,
    checkpoint: Annotated[
        list[Path] | None, typer.Option(help="A checkpoint kept elsewhere; may be repeated.")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Compute every hash again and compare with every signed checkpoint; needs no controller."""
    with faults():
        kept = [file.read_text("utf-8", "replace") for file in checkpoint or []]
        outcome = _verify(path or config.DEFAULT_STATE, key, kept)
    if as_json:
        typer.echo(json.dumps({"whole": not outcome.problems, **outcome._asdict()}))
    else:
        for problem in outcome.problems:
            typer.echo(f"PROBLEM: {problem}")
        typer.echo(_sentence(outcome))
    raise typer.Exit(1 if outcome.problems else 0)


def _verify(path: Path, key: Path | None, kept: list[str]) -> verifier.Outcome:
    """The outcome for whatever stands at ``path``."""
    if path.is_dir() and not _is_published(path):
        settings = config.load(flags={"state_dir": path})
        public = _key_of(settings, key)
        with reading(settings) as connection:
            return stored.verify_store(connection, public, kept, settings.ledger_folder)
    settings = ControllerSettings(state_dir=path.parent)
    public = _key_of(settings, key)
    if path.is_file() and path.open("rb").read(len(_SQLITE)) == _SQLITE:
        engine = open_reader(path)
        with store_faults(), engine.connect() as connection:
            return stored.verify_store(connection, public, kept)
    return verifier.verify_path(path, public, kept)


def _is_published(folder: Path) -> bool:
    return (folder / publishing.CHECKPOINT).is_file() or (folder / "tile").is_dir()


def _sentence(outcome: verifier.Outcome) -> str:
    state = "NOT WHOLE" if outcome.problems else "whole"
    later = outcome.size - outcome.covered
    signed = "all of them" if later == 0 else f"all but the last {later}"
    if outcome.covered == 0:
        signed = "none of them"
    gone = f", {outcome.expired} expired" if outcome.expired else ""
    return f"{state}: {outcome.size} entries{gone}, {signed} signed for, root {outcome.root}"


@app.command()
def export(
    out: Annotated[Path, typer.Option(help="File or folder to write; must not exist.")],
    state: Dir = None,
    config_file: Config = None,
    *,
    as_tiles: Annotated[
        bool, typer.Option("--tiles", help="A folder of C2SP tlog-tiles, as it is published.")
    ] = False,
) -> None:
    """Write every entry as a JSON line, then every checkpoint; or the signed part as tiles.

    The last checkpoint's line counts the lines before it, so that a cut is seen.
    """
    with faults(), reading(config.load(config_file, {"state_dir": state})) as connection:
        if as_tiles:
            out.mkdir(mode=0o700)
            publishing.publish(connection, stored.newest_note(connection), out)
            return
        with out.open("xb") as file:
            file.writelines(_exported(connection))


def _exported(connection: Connection) -> Iterator[bytes]:
    """The lines of an export, in the form that the verifier reads."""
    for record in stored.records(connection):
        expired = b'{"expired":"%s"}' % (record.leaf_hash or b"").hex().encode()
        yield (record.entry or expired) + b"\n"
    *earlier, newest = stored.notes(connection) or [""]
    for note in earlier:
        yield _line({"checkpoint": note})
    yield _line({"checkpoint": newest, "lines": size_of(connection) + len(earlier)})


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("ascii") + b"\n"


@app.command()
def prove(
    index: Annotated[int, typer.Argument(help="Index of the entry.")],
    state: Dir = None,
    config_file: Config = None,
    login: ApiLogin = None,
    key: KeyFile = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Prove that an entry is in the tree of the newest signed checkpoint that covers it.

    What --json prints is verified offline by `lockgate ledger verify FILE`.
    """
    with faults():
        if login is None or reads_store(login, state, config_file):
            settings = config.load(config_file, {"state_dir": state})
            with reading(settings) as connection:
                proof = stored.prove(connection, index, _key_of(settings, key))
        else:
            with session(login, "ledger prove") as channel:
                stub = ledger_pb2_grpc.LedgerServiceStub(channel)
                request = ledger_pb2.ProveEntryRequest(index=index)
                proof = json.loads(stub.ProveEntry(request, timeout=TIMEOUT).proof)
    if as_json:
        typer.echo(json.dumps(proof, sort_keys=True, separators=(",", ":")))
    else:
        state_of = "proven" if proof["verified"] else "NOT PROVEN"
        typer.echo(f"{state_of}: entry {index} of {proof['size']}, root {proof['root']}")
        typer.echo(proof["entry"] or f"(expired; its hash is {proof['leaf']})")
    raise typer.Exit(0 if proof["verified"] else 1)
