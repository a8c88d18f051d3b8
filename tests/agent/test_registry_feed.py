"""The controller's registry on an agent's host: fetched, kept, and looked for by its workers."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from sqlalchemy import select

from lockgate.agent.uplink.registry import RegistryFeed
from lockgate.controller import clock, config, setup
from lockgate.controller.config import ControllerSettings
from lockgate.controller.ledger import Ledger
from lockgate.controller.registry import keys
from lockgate.controller.store.database import open_reader
from lockgate.controller.store.schema import verdicts
from lockgate.scan.protected import protected_key
from lockgate.scan.registry_toml import to_toml
from lockgate.v1 import registry_pb2 as pb
from lockgate.v1 import registry_pb2_grpc

from .conftest import error_of, wait_until
from .test_outage import Site, site

__all__ = ["site"]


class Controller(registry_pb2_grpc.RegistryServiceServicer):
    """Hands out ``content`` in parts of 100 bytes; ``lies`` about its digest when told to."""

    def __init__(self) -> None:
        self.content = b""
        self.lies = False
        self.asked: list[tuple[str, int]] = []
        self._server = grpc.server(ThreadPoolExecutor(2))
        registry_pb2_grpc.add_RegistryServiceServicer_to_server(self, self._server)
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def FetchRegistry(self, request: Any, context: Any) -> Any:  # noqa: N802
        """As the contract says."""
        self.asked.append((request.digest, request.offset))
        digest = hashlib.sha256(self.content).hexdigest()
        answer = pb.FetchRegistryResponse(digest=digest, size=len(self.content))
        if request.digest != digest:
            answer.content = self.content[request.offset : request.offset + 100]
        if self.lies:
            answer.digest = "0" * 64
        return answer

    def close(self) -> None:
        """Stop serving."""
        self._server.stop(None)


@pytest.fixture
def controller() -> Iterator[Controller]:
    """One with nothing registered."""
    made = Controller()
    yield made
    made.close()


@pytest.fixture
def feed(controller: Controller, tmp_path: Path) -> Callable[[], tuple[RegistryFeed, list[Any]]]:
    """Makes a feed, with what it has called."""

    def make() -> tuple[RegistryFeed, list[Any]]:
        called: list[Any] = []
        channel = grpc.insecure_channel(f"127.0.0.1:{controller.port}")
        path = tmp_path / "registry.toml"
        return RegistryFeed(lambda: channel, path, called.append, lambda: called.append("anew")), (
            called
        )

    return make


def registry(*names: str) -> bytes:
    """A registry of fresh keys."""
    made = [protected_key(n, ec.generate_private_key(ec.SECP256R1()).public_key()) for n in names]
    return to_toml(made).encode()


def test_a_new_registry_is_kept_and_used_an_old_one_costs_its_digest(
    feed: Any, controller: Controller, tmp_path: Path
) -> None:
    """In as many parts as it has; also a second one, and none at last."""
    one, called = feed()
    path = tmp_path / "registry.toml"
    for content in (registry("a", "b"), registry("c")):
        controller.content = content
        one.fetch()
        assert path.read_bytes() == content
        assert called[-2:] == [path, "anew"]
        controller.asked.clear()
        one.fetch()
        assert controller.asked == [(hashlib.sha256(content).hexdigest(), 0)]
    controller.content = b""
    one.fetch()
    assert called[4:] == [None, "anew"]
    assert path.stat().st_mode & 0o077 == 0


def test_a_registry_without_keys_changes_nothing(feed: Any, tmp_path: Path) -> None:
    """No file is judged anew because nothing is registered."""
    for _ in range(2):
        one, called = feed()
        one.fetch()
        assert (called, one.status()["trouble"]) == ([], "")
    assert not (tmp_path / "registry.toml").exists()


def test_what_was_kept_is_used_after_a_restart_without_a_controller(
    feed: Any, controller: Controller, tmp_path: Path
) -> None:
    """At once, and nothing is judged anew for it."""
    controller.content = registry("a")
    feed()[0].fetch()
    controller.close()
    again, called = feed()
    again.start()
    again.close()
    assert called == [tmp_path / "registry.toml"]


def test_what_is_not_whole_is_not_used(feed: Any, controller: Controller, tmp_path: Path) -> None:
    """What was kept stays, and the status says why."""
    one, called = feed()
    controller.content, controller.lies = registry("a"), True
    one.fetch()
    assert (called, (tmp_path / "registry.toml").exists()) == ([], False)
    assert "announced" in one.status()["trouble"]
    controller.lies = False
    one.fetch()
    assert (len(called), one.status()["trouble"]) == (2, "")


def test_a_controller_that_is_away_or_older_is_said(tmp_path: Path) -> None:
    """Nothing is used, nothing is lost."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    older = grpc.server(ThreadPoolExecutor(1))
    older_port = older.add_insecure_port("127.0.0.1:0")
    older.start()
    for number, word in ((port, "unavailable"), (older_port, "unimplemented")):
        channel = grpc.insecure_channel(f"127.0.0.1:{number}")
        one = RegistryFeed(lambda c=channel: c, tmp_path / "r", print, print)  # type: ignore[misc]
        one.fetch()
        assert word in one.status()["trouble"]
    older.stop(None)


@pytest.mark.root
def test_a_key_registered_at_the_controller_is_found_by_the_scans_of_a_host(site: Site) -> None:
    """A lone prime in a file leaves the zone, until its key is registered; then nobody reads it."""
    key = rsa.generate_private_key(65537, 2048)
    site.set_up()
    file = site.zone / "core.1"
    prime = key.private_numbers().p.to_bytes(128, "big")
    file.write_bytes(os.urandom(4096) + prime + os.urandom(4096))
    assert error_of(file) == 0
    protected = protected_key("token-signing", key.public_key())
    settings = config.load(flags={"state_dir": site.base / "controller"}, environment={})
    given = ([protected], "change", ["somebody"], clock.now())
    setup.write(settings, lambda c: keys.put(c, Ledger(), *given))
    site.kill(site.agent)
    site.start_agent()
    wait_until(lambda: error_of(file) != 0, 40)
    told = wait_for_verdict(settings, file)
    assert (told.verdict, told.zone) == ("QUARANTINE", site.zone.name)
    assert site.status()["registry"]["trouble"] == ""


def wait_for_verdict(settings: ControllerSettings, file: Path) -> Any:
    """The last decision on a file that was stopped."""
    query = select(verdicts).where(verdicts.c.path == str(file), verdicts.c.verdict != "ALLOW")
    newest = query.order_by(verdicts.c.ledger_index.desc()).limit(1)
    found: list[Any] = []

    def asked() -> bool:
        with open_reader(settings.store).connect() as connection:
            found.extend(connection.execute(newest).all())
        return bool(found)

    wait_until(asked, 20)
    return found[0]
