"""``lockgate controller registry``: the protected keys of a controller, for people.

Rules enforced here:

1. Files are read here, and a file with a private key in it is refused before anything is sent.
2. ``add``, ``import`` and ``remove`` propose changes; a second person makes them.
3. ``export`` writes the form that ``lockgate scan --registry`` and ``import`` read.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from lockgate.controller import clock
from lockgate.controller.api import TIMEOUT_S, Login, session
from lockgate.controller.changes.proposing import Reason, propose
from lockgate.controller.options import AsJson
from lockgate.controller.output import fail, show
from lockgate.controller.registry.change import write
from lockgate.controller.registry.messages import to_key
from lockgate.scan.names import escape_name
from lockgate.scan.protected import KeyRecord, ProtectedKey
from lockgate.scan.registry import Registry, RegistryError
from lockgate.scan.registry_toml import fields_of, from_document, to_toml
from lockgate.v1 import registry_pb2 as pb
from lockgate.v1 import registry_pb2_grpc
from lockgate.wire.bounds.change import CONTENT_BYTES

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="The protected keys of a controller.",
)

_COMMAND, _KIND = "controller registry", "protected-key"
_COLUMNS = ("name", "fingerprint", "algorithm", "owner", "zones", "age_days")
#: What one change holds at most, with room for what stands around the keys.
_BATCH_BYTES = CONTENT_BYTES * 9 // 10

Owner = Annotated[str, typer.Option(help="Who answers for it.")]
Zone = Annotated[list[str] | None, typer.Option("--zone", help="Where it may be; may be repeated.")]
Signs = Annotated[str, typer.Option(help="What it signs.")]
Made = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day on which it was made.")
]
OnLeak = Annotated[str, typer.Option(help="What to do when it leaks.")]
HookName = Annotated[
    list[str] | None, typer.Option("--hook", help="A response hook for it; may be repeated.")
]
Fingerprint = Annotated[str, typer.Argument(help="As `list` shows it.")]


@app.command()
def add(
    folder: Login,
    name: Annotated[str, typer.Option(help="What the key is called.")],
    reason: Reason,
    file: Annotated[
        Path | None, typer.Argument(help="A certificate, public key, JWKS or ssh line.")
    ] = None,
    fingerprint: Annotated[
        str | None, typer.Option(help="Where there is no file: sha256: or hmac-sha256:, and hex.")
    ] = None,
    *,
    owner: Owner = "",
    zone: Zone = None,
    signs: Signs = "",
    made: Made = None,
    on_leak: OnLeak = "",
    hook: HookName = None,
    as_json: AsJson = False,
) -> None:
    """Propose that one key is protected."""
    if (file is None) == (fingerprint is None):
        fail(_COMMAND, "give a file or --fingerprint")
    given = _record(owner, zone, signs, made, on_leak, hook)
    found = _read([file]) if file is not None else _by_fingerprint(name, fingerprint)
    if len(found) != 1:
        fail(_COMMAND, f"{file}: holds {len(found)} keys; use `import`")
    key = replace(found[0], name=escape_name(name))
    _propose(folder, [_described(key, given)], reason, as_json=as_json)


@app.command("import")
def import_(
    folder: Login,
    files: Annotated[
        list[Path], typer.Argument(help="Certificates, public keys, JWKS, ssh lines or TOML.")
    ],
    reason: Reason,
    *,
    owner: Owner = "",
    zone: Zone = None,
    signs: Signs = "",
    made: Made = None,
    on_leak: OnLeak = "",
    hook: HookName = None,
    as_json: AsJson = False,
) -> None:
    """Propose that the keys of files are protected; options are for those that say nothing."""
    given = _record(owner, zone, signs, made, on_leak, hook)
    keys = [_described(key, given) for key in _read(files)]
    _propose(folder, keys, reason, as_json=as_json)


@app.command()
def remove(
    folder: Login,
    fingerprints: Annotated[list[str], typer.Argument(help="As `list` shows them.")],
    reason: Reason,
    *,
    as_json: AsJson = False,
) -> None:
    """Propose that keys are protected no longer."""
    contents = [write(remove=fingerprints)]
    propose(folder, _COMMAND, _KIND, contents, reason, as_json=as_json)


@app.command("list")
def list_(folder: Login, *, as_json: AsJson = False) -> None:
    """The protected keys, by name."""
    show([_row(message) for message in _fetch(folder)], _COLUMNS, as_json=as_json)


@app.command("show")
def show_(fingerprint: Fingerprint, folder: Login, *, as_json: AsJson = False) -> None:
    """One key with all that is written down of it."""
    found = [_row(message) for message in _fetch(folder, fingerprint)]
    if not found:
        fail(_COMMAND, "no such key is protected")
    if as_json:
        show(found, (), as_json=True)
        return
    for name, value in found[0].items():
        typer.echo(f"{name}: {', '.join(value) if isinstance(value, list) else value or ''}")


@app.command()
def export(
    folder: Login,
    out: Annotated[
        Path | None, typer.Option(help="The file to make; else standard output.")
    ] = None,
) -> None:
    """Write all keys as a registry file."""
    text = to_toml(to_key(message) for message in _fetch(folder))
    if out is None:
        sys.stdout.write(text)
        return
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        fail(_COMMAND, f"{out}: {error.strerror}")


def _read(files: Iterable[Path]) -> tuple[ProtectedKey, ...]:
    try:
        return Registry.load(files).keys
    except RegistryError as error:
        fail(_COMMAND, str(error))


def _by_fingerprint(name: str, fingerprint: str | None) -> tuple[ProtectedKey, ...]:
    table = {"name": name, "fingerprint": fingerprint}
    try:
        return tuple(from_document({"key": [table]}, "--fingerprint"))
    except RegistryError as error:
        fail(_COMMAND, str(error))


def _record(
    owner: str,
    zone: Sequence[str] | None,
    signs: str,
    made: datetime | None,
    on_leak: str,
    hook: Sequence[str] | None,
) -> KeyRecord:
    """What the options say."""
    day = None if made is None else made.date()
    return KeyRecord(
        owner=escape_name(owner),
        zones=tuple(map(escape_name, zone or ())),
        signs=escape_name(signs),
        made=day,
        on_leak=escape_name(on_leak),
        hooks=tuple(map(escape_name, hook or ())),
    )


def _described(key: ProtectedKey, given: KeyRecord) -> ProtectedKey:
    """The key with what the options say where its file says nothing."""
    said = key.record
    record = KeyRecord(
        owner=said.owner or given.owner,
        zones=said.zones or given.zones,
        signs=said.signs or given.signs,
        made=said.made or given.made,
        on_leak=said.on_leak or given.on_leak,
        hooks=said.hooks or given.hooks,
    )
    return replace(key, record=record)


def _propose(folder: Path, keys: Sequence[ProtectedKey], reason: str, *, as_json: bool) -> None:
    contents = [write(batch) for batch in _batches(keys)]
    propose(folder, _COMMAND, _KIND, contents, reason, as_json=as_json)


def _batches(keys: Sequence[ProtectedKey]) -> Iterator[list[ProtectedKey]]:
    """The keys in as few changes as their size allows."""
    batch: list[ProtectedKey] = []
    size = 0
    for key in keys:
        length = len(to_toml([key]).encode())
        if batch and size + length > _BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(key)
        size += length
    yield batch


def _fetch(folder: Path, fingerprint: str = "") -> list[pb.RegisteredKey]:
    with session(folder, _COMMAND) as channel:
        stub = registry_pb2_grpc.RegistryServiceStub(channel)
        found: list[pb.RegisteredKey] = []
        while True:
            request = pb.ListKeysRequest(fingerprint=fingerprint, offset=len(found))
            answer = stub.ListKeys(request, timeout=TIMEOUT_S)
            found += answer.keys
            if not answer.keys or len(found) >= answer.total:
                return found


def _row(message: pb.RegisteredKey) -> dict[str, Any]:
    fields = fields_of(to_key(message))
    added = message.add_time.ToJsonString() if message.HasField("add_time") else None
    changed = message.change_time.ToJsonString() if message.HasField("change_time") else None
    return {
        **fields,
        "age_days": _age(fields["made"]),
        "added": added,
        "changed": changed,
        "change": message.change_id or None,
    }


def _age(made: str | None) -> int | None:
    """Days since the key was made."""
    return None if made is None else (clock.now().date() - date.fromisoformat(made)).days
