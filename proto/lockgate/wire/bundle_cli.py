"""``lockgate bundle``: sign a policy or a rule pack, and verify one before it is used, offline.

Rules enforced here:

1. What was accepted is kept in a file of the receiving host, whole or not at all; without that
   file rollbacks cannot be told, so the verb asks for one.
2. Exit codes: 0 it may be used, 1 it may not, 2 a wrong question, or something is missing.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from lockgate.wire import bundle as bundles
from lockgate.wire.bundle import Accepted, Bundle, BundleError, BundleKind, Expected

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Sign policies and rule packs, and verify them before they are used.",
)
_REFUSED, _WRONG = 1, 2
_LARGEST = 256 << 20

Kind = Annotated[BundleKind, typer.Argument(help="What FILE is.")]
Content = Annotated[Path, typer.Argument(help="The policy or rule pack, one file.")]
Installation = Annotated[str, typer.Option(help="Name of the installation it is for.")]


@app.command()
def sign(
    kind: Kind,
    file: Content,
    key: Annotated[Path, typer.Option(help="Private Ed25519 key, PEM.")],
    installation: Installation,
    version: Annotated[int, typer.Option(min=1, help="Larger than that of every one before.")],
    rule_pack: Annotated[
        list[str] | None,
        typer.Option(help="Rule pack it goes with; may be repeated. Default: this scanner's."),
    ] = None,
    days: Annotated[int, typer.Option(min=1, help="How long it may be used.")] = 7,
) -> None:
    """Write FILE.bundle.json beside FILE."""
    private = _loaded(key, lambda pem: load_pem_private_key(pem, None), Ed25519PrivateKey)
    start = datetime.now(UTC).replace(microsecond=0)
    try:
        made = Bundle(
            kind=kind,
            installation=installation,
            version=version,
            sha256=hashlib.sha256(_read(file)).hexdigest(),
            rule_packs=tuple(rule_pack or [_own_rule_pack()]),
            issued=start,
            expires=start + timedelta(days=days),
        )
    except ValueError as error:
        _fail(str(error))
    _write(_beside(file), bundles.sign(made, private))
    typer.echo(f"{_beside(file)}: {kind.value} {version}, until {made.expires:%Y-%m-%dT%H:%M:%SZ}")


@app.command()
def verify(
    kind: Kind,
    file: Content,
    key: Annotated[Path, typer.Option(help="Public Ed25519 key, PEM.")],
    installation: Installation,
    state: Annotated[Path, typer.Option(help="What this host keeps of the last one it accepted.")],
    rule_pack: Annotated[
        str | None, typer.Option(help="The rule pack in use. Default: this scanner's.")
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Check FILE against FILE.bundle.json; what is accepted is the least that is next time."""
    public = _loaded(key, load_pem_public_key, Ed25519PublicKey)
    pack = (rule_pack or _own_rule_pack()) if kind is BundleKind.POLICY else None
    envelope, content = _read(_beside(file)), _read(file)
    try:
        expected = Expected(kind, installation, pack, _last(state))
        found = bundles.verify(envelope, content, public, expected, datetime.now(UTC))
    except BundleError as error:
        answer = {"valid": False, "reason": error.fault.value, "message": str(error)}
        typer.echo(json.dumps(answer) if as_json else f"{file}: refused: {error}")
        raise typer.Exit(_REFUSED) from None
    kept = bundles.accepted(found).to_json()
    _write(state, json.dumps(kept).encode())
    expires = f"{found.expires:%Y-%m-%dT%H:%M:%SZ}"
    said = {"valid": True, **kept, "expires": expires, "rule_packs": list(found.rule_packs)}
    sentence = f"{file}: {kind.value} {found.version}, may be used until {expires}"
    typer.echo(json.dumps(said) if as_json else sentence)


def _own_rule_pack() -> str:
    from lockgate.formats import ALL
    from lockgate.scan.engine import rule_pack_of

    return rule_pack_of(ALL)


def _last(state: Path) -> Accepted | None:
    if not state.exists():
        return None
    try:
        return Accepted.from_json(json.loads(_read(state)))
    except (ValueError, RecursionError):
        return Accepted.from_json(None)


def _beside(file: Path) -> Path:
    return file.with_name(f"{file.name}.bundle.json")


def _loaded(path: Path, load: Any, kind: type[Any]) -> Any:
    try:
        key = load(_read(path))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        _fail(f"{path}: no key that can be read")
    if not isinstance(key, kind):
        _fail(f"{path}: not an {kind.__name__}")
    return key


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        _fail(f"{path}: {error.strerror}")
    if len(content) > _LARGEST:
        _fail(f"{path}: larger than {_LARGEST} bytes")
    return content


def _write(path: Path, content: bytes) -> None:
    """Replace a file as a whole, durably."""
    try:
        handle, fresh = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(fresh).chmod(0o644)
        Path(fresh).replace(path)
    except OSError as error:
        _fail(f"{path}: {error.strerror}")


def _fail(why: str) -> NoReturn:
    typer.echo(f"lockgate bundle: {why}", err=True)
    raise typer.Exit(_WRONG)
