"""The way of a command to the controller's API: a login on disk, a channel, clear errors.

Rules enforced here:

1. A login is a folder of its owner (0700): the address, the CA, a certificate that lives for
   hours and its key (0600). The password is nowhere. One that others may write to, or whose key
   they may read, is not used.
2. The controller is trusted by the CA whose SHA-256 was given at the login, and by nothing else.
3. What goes wrong is one line that says what to do: exit code 2 for a refusal, 4 when nobody
   answers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import grpc
import typer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lockgate.controller.output import REFUSED, UNREACHABLE, fail
from lockgate.scan.names import escape_name
from lockgate.v1 import person_pb2, person_pb2_grpc
from lockgate.wire.channels import client_channel, enrolment_channel
from lockgate.wire.ids import uuid7

TIMEOUT_S = 30.0
_ADDRESS, _CA, _CHAIN, _KEY = "address", "ca.pem", "chain.pem", "key.pem"
_NOBODY = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}


def default_folder() -> Path:
    """Where a login is kept unless told otherwise (XDG Base Directory Specification)."""
    config = os.environ.get("XDG_CONFIG_HOME")
    return Path(config or Path.home() / ".config") / "lockgate" / "login"


Login = Annotated[
    Path,
    typer.Option(
        "--login",
        envvar="LOCKGATE_LOGIN",
        default_factory=default_folder,
        help="Folder of the login that `lockgate login` made.",
        show_default="~/.config/lockgate/login",
    ),
]


class LoginError(Exception):
    """There is no login that works; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where to log in: address of the server-TLS port, SHA-256 of the CA (hex), API address."""

    login: str
    ca_sha256: str
    api: str


def log_in(target: Target, name: str, password: str, folder: Path) -> datetime:
    """Trade a password for a certificate, kept in ``folder``; until when it lives.

    Raises:
        PinError: the server is not the one with this CA.
        grpc.RpcError: it refused.
        LoginError: what it answered is no certificate.
        OSError: the folder cannot be written.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    der = request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    with enrolment_channel(target.login, target.ca_sha256) as channel:
        answer = person_pb2_grpc.LoginServiceStub(channel).LogIn(
            person_pb2.LogInRequest(
                request_id=uuid7(), name=name, password=password, certificate_request=der
            ),
            timeout=TIMEOUT_S,
        )
    until = _not_after(answer.certificate_chain)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    kept = {_KEY: pem, _CHAIN: answer.certificate_chain, _CA: answer.trust_bundle}
    for file, content in (*kept.items(), (_ADDRESS, target.api.encode())):
        _write(folder / file, content)
    return until


@contextmanager
def session(login: Path, command: str) -> Iterator[grpc.Channel]:
    """A channel with the certificate of ``login``; the end of the command on any error."""
    try:
        with _channel(login) as channel:
            yield channel
    except LoginError as error:
        fail(command, str(error))
    except UnicodeEncodeError:
        fail(command, "an argument is not text in UTF-8")
    except grpc.RpcError as error:
        explain(error, command)


def explain(error: grpc.RpcError, command: str) -> None:
    """End the command with what the controller said, or that none answers."""
    code, text = error.code(), escape_name(error.details() or "")
    if code in _NOBODY:
        fail(command, f"no controller answers: {text}", UNREACHABLE)
    fail(command, text or code.name, REFUSED)


def _channel(login: Path) -> grpc.Channel:
    try:
        chain, ca = (login / _CHAIN).read_bytes(), (login / _CA).read_bytes()
        key, address = (login / _KEY).read_bytes(), (login / _ADDRESS).read_text("utf-8")
        read_by_others = (login / _KEY).stat().st_mode & 0o077
        written_by_others = login.stat().st_mode & 0o022
    except (OSError, ValueError):
        raise LoginError(f"{login}: no login here; use `lockgate login`") from None
    if written_by_others:
        raise LoginError(f"{login}: others may write to this folder; chmod it to 0700")
    if read_by_others:
        raise LoginError(f"{login / _KEY}: others may read this key; chmod it to 0600")
    if _not_after(chain) <= datetime.now(UTC):
        raise LoginError(f"{login}: the login has expired; use `lockgate login`")
    return client_channel(address.strip(), trust_bundle=ca, chain=chain, key=key)


def _not_after(chain: bytes) -> datetime:
    try:
        return x509.load_pem_x509_certificate(chain).not_valid_after_utc
    except ValueError:
        raise LoginError("the login's certificate cannot be read; use `lockgate login`") from None


def _write(path: Path, content: bytes) -> None:
    """Write a file of the login, for its owner only, whole or not at all."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    fresh.replace(path)
