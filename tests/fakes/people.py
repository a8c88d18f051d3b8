"""People of a running controller for tests: made in the store, logged in over the real API."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from lockgate.controller import api, clock, setup
from lockgate.controller.ledger import Ledger
from lockgate.controller.people import passwords, people
from lockgate.controller.people.roles import Person, Role
from lockgate.wire.channels import client_channel

PASSWORD = "test password, of nobody"


@dataclass(frozen=True)
class LoggedIn:
    """Somebody with a login on disk."""

    person: Person
    login: Path

    @property
    def channel(self) -> grpc.Channel:
        """A new channel to the API with this person's certificate."""
        read = {name: (self.login / name).read_bytes() for name in ("ca.pem", "chain.pem")}
        key = (self.login / "key.pem").read_bytes()
        address = (self.login / "address").read_text()
        return client_channel(
            address, trust_bundle=read["ca.pem"], chain=read["chain.pem"], key=key
        )

    def run(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """``lockgate WORDS`` as this person."""
        return subprocess.run(
            [Path(sys.executable).with_name("lockgate"), *words],
            env={**os.environ, "LOCKGATE_LOGIN": str(self.login), "COLUMNS": "200"},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


def join(controller: Any, folder: Path, name: str, *roles: Role) -> LoggedIn:
    """Somebody with these roles, logged in at a ``RunningController``."""
    hashed = passwords.hashed(PASSWORD)

    def work(connection: Any) -> Person:
        person = people.put(connection, Ledger(), name, frozenset(roles), clock.now())
        people.set_password(connection, Ledger(), person, hashed, clock.now())
        return person

    person = setup.write(controller.settings, work)
    return log_in(controller, folder, person)


def log_in(controller: Any, folder: Path, person: Person) -> LoggedIn:
    """The person with a fresh login."""
    target = target_of(controller)
    api.log_in(target, person.name, PASSWORD, folder / person.name)
    return LoggedIn(person, folder / person.name)


def target_of(controller: Any) -> api.Target:
    """Where to log in at a running controller."""
    ca = setup.registrar(controller.settings, Ledger()).authority.sha256
    return api.Target(controller.addresses["enrol"], ca, controller.addresses["grpc"])
