"""``lockgate passport``: what a receiving side checks, offline, without a controller.

Rules enforced here:

1. Without a list of revocations that is signed, in its time and not older than one used before, a
   file is refused; whoever goes without one says so.
2. What the sender chose (names of files, words in a passport) cannot mislead a terminal, and
   nothing but regular files is read.
3. Exit codes: 0 the file may be taken, 1 it may not, 2 a wrong question, or something is missing.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, BinaryIO, NoReturn

import typer
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from lockgate.scan.names import escape_name
from lockgate.wire import passport as passports
from lockgate.wire import revocations
from lockgate.wire.passport import Crossing, Passport, PassportError, PassportFault
from lockgate.wire.revocations import RevocationError, RevocationList
from lockgate.wire.seen_list import MemoryFault, default_path, remembered

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Verify that a file was scanned and may be taken.",
)
#: The list of revocations, where nothing else is said: beside the key.
LIST = "revocations.json"
_REFUSED, _WRONG = 1, 2
_CHUNK = 1 << 20
_LONGEST = 4 << 20


@app.callback()
def main() -> None:
    """Verify that a file was scanned and may be taken."""


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="The file that has arrived.")],
    key: Annotated[Path, typer.Option(help="Public key of the controller's passports, PEM.")],
    passport: Annotated[
        Path | None, typer.Option(help="Its passport; default: FILE.passport.json beside it.")
    ] = None,
    revocation_list: Annotated[
        Path | None,
        typer.Option(
            "--revocations",
            help="The newest signed list of revocations; default: revocations.json beside KEY.",
        ),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            help="Where the number of the newest list used is kept;"
            " default: below ~/.local/state/lockgate."
        ),
    ] = None,
    at_least: Annotated[
        int, typer.Option("--min-sequence", min=0, help="Refuse an older list than this number.")
    ] = 0,
    from_zone: Annotated[
        str | None, typer.Option(help="Zone that the file must come from.")
    ] = None,
    zone: Annotated[str | None, typer.Option(help="Zone that receives it.")] = None,
    boundary: Annotated[str | None, typer.Option(help="Boundary that it has crossed.")] = None,
    recipient: Annotated[str | None, typer.Option(help="Who receives it.")] = None,
    *,
    without: Annotated[
        bool,
        typer.Option("--without-revocations", help="Take also what may have been revoked."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Check bytes, signature, expiry, way and revocation; say what was looked at."""
    if without and revocation_list is not None:
        _fail("either --revocations or --without-revocations")
    given = passport or file.with_name(f"{file.name}.passport.json")
    public, now = _key(key), datetime.now(UTC)
    envelope, sha256 = _read(given), _sha256(file)
    crossing = Crossing(from_zone, zone, boundary, recipient)
    listed = _Listed(revocation_list or key.with_name(LIST), state, at_least)
    try:
        revoked = None if without else _revocations(listed, public, now)
        shown = passports.verify(envelope, public, sha256, now, crossing)
        if revoked is not None:
            revoked.check(shown)
    except PassportError as error:
        _refuse(file, sha256, error, as_json=as_json)
    answer = {
        "valid": True,
        "file": str(file),
        "sha256": sha256,
        "revocations": None if revoked is None else revoked.sequence,
        "passport": dict(shown.predicate),
    }
    typer.echo(json.dumps(answer) if as_json else _sentence(file, shown, revoked))


def _refuse(file: Path, sha256: str, error: PassportError, *, as_json: bool) -> NoReturn:
    answer = {
        "valid": False,
        "file": str(file),
        "sha256": sha256,
        "reason": error.fault.value,
        "message": str(error),
    }
    sentence = f"REFUSED: {_shown(file)}: {escape_name(str(error))}"
    typer.echo(json.dumps(answer) if as_json else sentence)
    raise typer.Exit(_REFUSED)


def _sentence(file: Path, shown: Passport, revoked: RevocationList | None) -> str:
    said: dict[str, Any] = dict(shown.predicate)
    ways = f"from {shown.from_zone} over {shown.boundary} to {shown.to_zone or 'any zone'}"
    checked = "revocations not checked" if revoked is None else f"list {revoked.sequence} checked"
    scanned = f"{said['coverage']['bytesScanned']} bytes looked at with rules {said['rulePack']}"
    return escape_name(
        f"valid: {_shown(file)}: {ways}, for {shown.recipient or 'anybody'},"
        f" until {shown.expires:{passports.TIME}}; {scanned}; {checked}"
    )


@dataclass(frozen=True, slots=True)
class _Listed:
    """Where the list is, where what was used before is kept, and the least number asked for."""

    path: Path
    state: Path | None
    at_least: int


def _revocations(listed: _Listed, key: Ed25519PublicKey, now: datetime) -> RevocationList:
    if not listed.path.exists():
        text = f"there is none at {_shown(listed.path)}; fetch it, or name it with --revocations"
        raise PassportError(PassportFault.REVOCATION_LIST, text)
    envelope = _read(listed.path)
    try:
        with remembered(listed.state or default_path(key)) as seen:
            made = revocations.read(envelope, key, now, max(listed.at_least, seen.sequence))
            seen.note(made.sequence)
    except RevocationError as error:
        raise PassportError(PassportFault.REVOCATION_LIST, str(error)) from None
    except MemoryFault as error:
        _fail(str(error))
    return made


def _key(path: Path) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(_read(path))
    except (ValueError, UnsupportedAlgorithm):
        _fail(f"{path}: not a public key, PEM")
    if not isinstance(key, Ed25519PublicKey):
        _fail(f"{path}: not an Ed25519 public key")
    return key


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with _opened(path) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _read(path: Path) -> bytes:
    with _opened(path) as file:
        return file.read(_LONGEST + 1)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """A regular file: a pipe or a device would keep the reader for ever."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                _fail(f"{path}: not a regular file")
            yield file
    except OSError as error:
        _fail(f"{path}: {error.strerror}")


def _shown(path: Path) -> str:
    return escape_name(str(path))


def _fail(text: str) -> NoReturn:
    print(f"lockgate passport: {escape_name(text)}", file=sys.stderr)
    raise typer.Exit(_WRONG)
