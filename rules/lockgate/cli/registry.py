"""``lockgate registry``: keep a file of protected keys by their public halves.

Rules enforced here:

1. ``add`` replaces the file in one step: a reader sees the old registry or the new one.
2. Exit code 0: done; 2: a file cannot be used, with the reason on standard error.
"""

from __future__ import annotations

import base64
import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from lockgate.scan.names import escape_name
from lockgate.scan.registry import ProtectedKey, Registry, RegistryError, read_file

app = typer.Typer(no_args_is_help=True, help="Keep the registry of protected keys.")

_JSON = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
_FILE = Annotated[Path, typer.Argument(help="The registry file.")]


@app.command()
def add(
    file: _FILE,
    sources: Annotated[
        list[Path], typer.Argument(help="Certificates, public keys, JWKS, ssh lines or TOML.")
    ],
    name: Annotated[str | None, typer.Option(help="Name for the key, if there is one.")] = None,
) -> None:
    """Add the public keys of SOURCES to FILE, which is made when it is not there."""
    try:
        known = read_file(file) if file.exists() else ()
        added = Registry.load(sources).keys
    except RegistryError as error:
        raise _usage(str(error)) from None
    if name is not None:
        added = _renamed(added, name)
    registry = Registry.of((*known, *added))
    try:
        _replace(file, "".join(_to_toml(key) for key in registry))
    except OSError as error:
        raise _usage(f"{file}: {error.strerror}") from None
    typer.echo(f"{file}: {len(registry) - len(known)} added, {len(registry)} in all")


@app.command("list")
def list_keys(file: _FILE, *, as_json: _JSON = False) -> None:
    """Show the keys of FILE."""
    for key in _read(file):
        shown = _to_json(key)
        if as_json:
            typer.echo(json.dumps(shown))
        else:
            typer.echo(f"{key.fingerprint}  {key.algorithm or '-'} {key.bits or ''}  {key.name}")


@app.command()
def check(file: _FILE, *, as_json: _JSON = False) -> None:
    """Tell whether FILE can be used as a registry."""
    keys = _read(file)
    searchable = sum(key.spki is not None for key in keys)
    if as_json:
        typer.echo(json.dumps({"keys": len(keys), "searchable": searchable}))
    else:
        typer.echo(f"{file}: {len(keys)} keys, {searchable} of them with their public half")


def _read(file: Path) -> tuple[ProtectedKey, ...]:
    try:
        return read_file(file)
    except RegistryError as error:
        raise _usage(str(error)) from None


def _usage(message: str) -> typer.Exit:
    typer.echo(f"lockgate registry: {message}", err=True)
    return typer.Exit(2)


def _renamed(keys: tuple[ProtectedKey, ...], name: str) -> tuple[ProtectedKey, ...]:
    if len(keys) != 1:
        raise _usage(f"--name is for one key, and there are {len(keys)}")
    return (replace(keys[0], name=escape_name(name)),)


def _to_json(key: ProtectedKey) -> dict[str, object]:
    return {
        "name": key.name,
        "fingerprint": key.fingerprint,
        "algorithm": key.algorithm,
        "bits": key.bits,
        "spki": None if key.spki is None else base64.b64encode(key.spki).decode(),
    }


def _to_toml(key: ProtectedKey) -> str:
    """One [[key]] table; a JSON string is a TOML basic string (names are escaped already)."""
    shown = {name: value for name, value in _to_json(key).items() if value}
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in shown.items()]
    return "\n".join(("[[key]]", *lines, "", ""))


def _replace(file: Path, text: str) -> None:
    """Write a whole new file beside the old one, make it durable, and put it in its place."""
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(file)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
