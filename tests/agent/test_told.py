"""What a guarding agent does when its controller tells it to: real guard, controller and stream."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import Connection, select

from lockgate.controller import clock, config, setup
from lockgate.controller.ledger import Ledger
from lockgate.controller.store.schema import verdicts
from lockgate.controller.stream import commands
from lockgate.controller.stream.schema import agent_states
from lockgate.controller.stream.schema import commands as table
from lockgate.wire.agent import (
    Action,
    ForgetDecisions,
    QuarantineFile,
    Release,
    Rescan,
    Restore,
)
from lockgate.wire.ids import uuid7
from lockgate.wire.transfer import FileIdentity, Zone

from .conftest import error_of, wait_until
from .test_outage import Site, text

pytestmark = pytest.mark.root


@pytest.fixture
def site(scratch: Path, tmp_path: Path) -> Iterator[Site]:
    """A site that runs, and a limit of time for whatever guards its zone."""
    made = Site(tmp_path, scratch)
    limit = subprocess.Popen(
        ["sh", "-c", f"sleep 240; umount -l {scratch}"], start_new_session=True
    )
    try:
        made.set_up()
        wait_until(lambda: made.status()["controller"]["stream"]["open"], 20)
        yield made
    finally:
        made.close()
        os.killpg(limit.pid, signal.SIGKILL)
        limit.wait()


def in_store(site: Site, work: Any) -> Any:
    """Do ``work`` in the controller's store, as another process than the one that serves."""
    settings = config.load(flags={"state_dir": site.base / "controller"}, environment={})
    return setup.write(settings, work)


def tell(site: Site, action: Action) -> tuple[str, str]:
    """Have the agent do something; outcome and detail of its receipt."""

    def send(connection: Connection) -> str:
        return commands.send(connection, Ledger(), "prod-7", action, clock.now(), by="test")

    sent = in_store(site, send)
    query = select(table).where(table.c.command_id == sent)

    def finished() -> Any:
        row = in_store(site, lambda c: c.execute(query).one())
        return row if row.finished_at is not None else None

    row = wait_until(finished, 20)
    return row.outcome, row.detail


def decisions(site: Site, path: Path) -> list[Any]:
    """The decisions on ``path``, oldest first."""
    query = select(verdicts).where(verdicts.c.path == str(path)).order_by(verdicts.c.ledger_index)
    return list(in_store(site, lambda c: c.execute(query).all()))


def private_key() -> bytes:
    """A key that the scan finds, of nobody."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def test_what_is_forgotten_is_asked_about_again_and_nothing_else(site: Site) -> None:
    """One file by transfer or by digest, then all, then a whole zone scanned anew."""
    files = [text(site.zone / f"{name}.log") for name in "abc"]
    for file in files:
        assert error_of(file) == 0
        assert error_of(file) == 0
    (by_transfer,), (by_digest,), (kept,) = (decisions(site, file) for file in files)
    assert tell(site, Release(by_transfer.transfer_id))[0] == "done"
    assert tell(site, Release(uuid7(), by_digest.sha256))[0] == "done"
    for file in files:
        assert error_of(file) == 0
    assert [len(decisions(site, file)) for file in files] == [2, 2, 1]
    assert tell(site, ForgetDecisions())[0] == "done"
    assert error_of(files[2]) == 0
    assert len(decisions(site, files[2])) == 2
    assert tell(site, Rescan(Zone(kept.zone)))[0] == "done"
    assert error_of(files[2]) == 0
    assert len(decisions(site, files[2])) == 3


def test_a_file_is_quarantined_and_restored_and_judged_again(site: Site) -> None:
    """Put back, it is refused as before; and the controller sees the state that the host shows."""
    file = site.zone / "key.pem"
    file.write_bytes(private_key())
    assert error_of(file) == errno.EPERM
    (judged,) = decisions(site, file)
    zone = Zone(judged.zone)
    identity = FileIdentity(**json.loads(judged.identity))
    told = QuarantineFile(judged.transfer_id, zone, str(file), identity)
    outcome, detail = tell(site, told)
    assert outcome == "done"
    assert not file.exists()
    quarantine_id = detail.rpartition(" ")[2]
    wait_until(lambda: ("quarantined", None) in site.attempts(file))

    outcome, detail = tell(site, Restore(quarantine_id, zone))
    assert (outcome, detail) == ("done", f"put back: {file}")
    assert error_of(file) == errno.EPERM
    wait_until(lambda: ("restored", None) in site.attempts(file))

    def told_health() -> Any:
        row = in_store(site, lambda c: c.execute(select(agent_states)).one())
        return row.health and json.loads(row.health)

    wait_until(lambda: told_health() and told_health()["state"] == site.status()["state"], 40)
    assert [z["zone"] for z in told_health()["zones"]] == [judged.zone]
