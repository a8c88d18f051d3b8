"""``lockgate login`` and ``lockgate person``: who a person is, and who the others are.

Rules enforced here: a password comes from a terminal without an echo, or from standard input; it
is never an argument, which every process of the host could read.
"""

from __future__ import annotations

import getpass
import sys
from typing import Annotated

import grpc
import typer

from lockgate.controller import process
from lockgate.controller.api import TIMEOUT_S as TIMEOUT
from lockgate.controller.api import Login, LoginError, Target, explain, log_in, session
from lockgate.controller.changes.proposing import Reason, proposed
from lockgate.controller.options import AsJson
from lockgate.controller.output import fail, show
from lockgate.controller.people.change import write
from lockgate.controller.people.roles import Role, is_name
from lockgate.controller.people.service import ROLES
from lockgate.v1 import person_pb2, person_pb2_grpc
from lockgate.wire.channels import PinError

login_app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Trade a password for a certificate.",
)
app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Who the people are, and what they may do.",
)

_LOGIN_PORT, _API_PORT = "7444", "7443"
#: As many as a message may hold.
LONGEST_PASSWORD = 1024
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]


@login_app.command()
def login(
    controller: Annotated[str, typer.Argument(help="Host, or host:port of the server-TLS port.")],
    name: str,
    folder: Login,
    ca_sha256: Annotated[
        str, typer.Option(help="SHA-256 of the CA, as `lockgate controller init` printed it.")
    ],
    *,
    api: Annotated[str | None, typer.Option(help="host:port of the mTLS port.")] = None,
    password_stdin: FromStdin = False,
) -> None:
    """Log in; the certificate lives for hours (``login_hours`` of the controller)."""
    host, _, port = controller.rpartition(":") if ":" in controller else (controller, "", "")
    target = Target(
        login=f"{host}:{port or _LOGIN_PORT}",
        ca_sha256=ca_sha256.removeprefix("sha256:"),
        api=api or f"{host}:{_API_PORT}",
    )
    if not is_name(name):
        fail("login", "not a name: lower-case letters, digits, dots and dashes")
    try:
        process.harden()
        until = log_in(target, name, read_password(from_stdin=password_stdin), folder)
    except (PinError, LoginError, PasswordError, OSError) as error:
        fail("login", str(error))
    except grpc.RpcError as error:
        explain(error, "login")
    else:
        typer.echo(f"logged in as {name} until {until:%Y-%m-%dT%H:%M:%SZ}")


@app.command("list")
def list_(folder: Login, *, as_json: AsJson = False) -> None:
    """Everybody, with their roles."""
    with session(folder, "person") as channel:
        stub = person_pb2_grpc.PersonServiceStub(channel)
        answer = stub.ListPeople(person_pb2.ListPeopleRequest(), timeout=TIMEOUT)
        rows = [_row(person) for person in answer.people]
        show(rows, ("name", "roles", "added"), as_json=as_json)


@app.command()
def propose(
    name: str,
    folder: Login,
    reason: Reason,
    role: Annotated[list[Role] | None, typer.Option(help="A role; may be repeated.")] = None,
    *,
    remove: Annotated[bool, typer.Option("--remove", help="Take all roles away.")] = False,
) -> None:
    """Propose that somebody gets these roles and no others; a second person approves it."""
    roles = frozenset(role or ())
    if bool(roles) is remove or not is_name(name):
        fail("person", "give a name and either --role or --remove")
    with session(folder, "person") as channel:
        change = proposed(channel, "person", write(name, roles), reason)
        typer.echo(f"{change['id']} {change['state']}")


class PasswordError(ValueError):
    """A password that cannot be sent; the text holds nothing of it."""


def read_password(*, from_stdin: bool) -> str:
    """The password a person gives.

    Raises:
        PasswordError: it is not text in UTF-8, or too long.
    """
    try:
        if from_stdin:
            given = sys.stdin.readline(LONGEST_PASSWORD + 2).rstrip("\n")
        else:
            given = getpass.getpass("password: ")
        given.encode()
    except (UnicodeError, EOFError):
        raise PasswordError("the password is not text in UTF-8") from None
    if len(given.encode()) > LONGEST_PASSWORD:
        raise PasswordError(f"a password has at most {LONGEST_PASSWORD} bytes")
    return given


def _row(person: person_pb2.Person) -> dict[str, object]:
    words = (ROLES.word(number) for number in person.roles)
    return {
        "id": person.person_id,
        "name": person.name,
        "roles": [word.value for word in words if word is not None],
        "added": person.add_time.ToJsonString(),
    }
