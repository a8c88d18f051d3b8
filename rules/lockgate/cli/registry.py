"""``lockgate registry``: keep a file of protected keys by their public halves.

Rules enforced here:

1. ``add`` replaces the file in one step: a reader sees the old registry or the new one.
2. A secret is read from a file or standard input, never from the command line, which others
   can see.
3. Exit code 0: done; 2: a file cannot be used, with the reason on standard error.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from lockgate.scan.names import escape_name
from lockgate.scan.registry import ProtectedKey, Registry, RegistryError, read_file
from lockgate.scan.registry_toml import fields_of, to_toml
from lockgate.scan.salt import SaltError, read_salt
from lockgate.scan.secrets import Encoding, SecretError, decode, protected_secret

app = typer.Typer(no_args_is_help=True, help="Keep the registry of protected keys.")

_JSON = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
_FILE = Annotated[Path, typer.Argument(help="The registry file.")]


@app.command()
def add(
    file: _FILE,
    sources: Annotated[
        list[Path] | None,
        typer.Argument(help="Certificates, public keys, JWKS, ssh lines or TOML."),
    ] = None,
    *,
    name: Annotated[str | None, typer.Option(help="Name for the key, if there is one.")] = None,
    secret_file: Annotated[
        Path | None, typer.Option(help="A symmetric secret, - for stdin; it is not kept.")
    ] = None,
    encoding: Annotated[
        Encoding, typer.Option(help="What the secret file holds of random bytes.")
    ] = Encoding.RAW,
    salt_file: Annotated[
        Path | None, typer.Option(help="The site salt, for a secret of less than 128 bits.")
    ] = None,
) -> None:
    """Add the public keys of SOURCES, or a secret, to FILE, which is made when it is not there."""
    if (secret_file is None) == (not sources):
        raise _usage("give public keys, or --secret-file with one secret")
    try:
        known = read_file(file) if file.exists() else ()
        added = Registry.load(sources or ()).keys
    except RegistryError as error:
        raise _usage(str(error)) from None
    if secret_file is not None:
        added = (_secret(secret_file, encoding, salt_file, name),)
    elif name is not None:
        added = _renamed(added, name)
    registry = Registry.of((*known, *added))
    try:
        _replace(file, to_toml(registry))
    except OSError as error:
        raise _usage(f"{file}: {error.strerror}") from None
    typer.echo(f"{file}: {len(registry) - len(known)} added, {len(registry)} in all")


@app.command("list")
def list_keys(file: _FILE, *, as_json: _JSON = False) -> None:
    """Show the keys of FILE."""
    for key in _read(file):
        shown = fields_of(key)
        if as_json:
            typer.echo(json.dumps(shown))
        else:
            typer.echo(f"{key.fingerprint}  {key.algorithm or '-'} {key.bits or ''}  {key.name}")


@app.command()
def check(file: _FILE, *, as_json: _JSON = False) -> None:
    """Tell whether FILE can be used as a registry."""
    keys = _read(file)
    searchable = sum(key.is_searchable for key in keys)
    if as_json:
        typer.echo(json.dumps({"keys": len(keys), "searchable": searchable}))
    else:
        typer.echo(f"{file}: {len(keys)} keys, {searchable} of them can be looked for")


def _read(file: Path) -> tuple[ProtectedKey, ...]:
    try:
        return read_file(file)
    except RegistryError as error:
        raise _usage(str(error)) from None


def _usage(message: str) -> typer.Exit:
    typer.echo(f"lockgate registry: {message}", err=True)
    return typer.Exit(2)


def _secret(
    path: Path, encoding: Encoding, salt_file: Path | None, name: str | None
) -> ProtectedKey:
    """The entry for the secret in a file; a line break at the end of text is not part of it."""
    try:
        salt = None if salt_file is None else read_salt(salt_file)
        content = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        secret = decode(content, encoding)
        return protected_secret(escape_name(name or str(path)), secret, salt)
    except OSError as error:
        raise _usage(f"{error.filename or path}: {error.strerror}") from None
    except (SecretError, SaltError) as error:
        raise _usage(f"{path}: {error}" if isinstance(error, SecretError) else str(error)) from None


def _renamed(keys: tuple[ProtectedKey, ...], name: str) -> tuple[ProtectedKey, ...]:
    if len(keys) != 1:
        raise _usage(f"--name is for one key, and there are {len(keys)}")
    return (replace(keys[0], name=escape_name(name)),)


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
