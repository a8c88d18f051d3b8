"""Many agents that are admitted without asking, so that thousands can be simulated at once.

All of them share one key; each has a certificate of its own, and stands in the store as if it
had enrolled.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import Connection, insert

from lockgate.controller import clock, config, setup
from lockgate.controller.identity import authority
from lockgate.controller.store.schema import agents, certificates

_LIFE = timedelta(hours=24)


def admit(state: Path, hosts: Sequence[str], folder: Path) -> None:
    """Admit ``hosts`` to the controller of ``state``.

    ``folder`` gets ``ca.pem``, ``key.pem`` and ``hosts.jsonl``: a host and its certificate a line.
    """
    settings = config.load(flags={"state_dir": state}, environment={})
    ca, now = authority.load(settings.identity_dir), clock.now()
    key = ec.generate_private_key(ec.SECP256R1())
    made = [(host, ca.issue_agent(host, key.public_key(), now, _LIFE)) for host in hosts]
    micros = clock.to_micros(now)

    def work(connection: Connection) -> None:
        connection.execute(insert(agents), [{"host": h, "enrolled_at": micros} for h in hosts])
        rows = [
            {
                "serial": f"{certificate.serial_number:x}",
                "host": host,
                "issued_at": micros,
                "expires_at": clock.to_micros(certificate.not_valid_after_utc),
            }
            for host, certificate in made
        ]
        connection.execute(insert(certificates), rows)

    setup.write(settings, work)
    folder.mkdir(exist_ok=True)
    (folder / "ca.pem").write_bytes(ca.bundle)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "key.pem").write_bytes(private)
    pem = serialization.Encoding.PEM
    lines = [json.dumps([host, made.public_bytes(pem).decode()]) for host, made in made]
    (folder / "hosts.jsonl").write_text("\n".join(lines))


def admitted(folder: Path) -> list[tuple[str, bytes, bytes, bytes]]:
    """Every admitted host with the authority's certificate, the key and its own certificate."""
    ca, key = (folder / "ca.pem").read_bytes(), (folder / "key.pem").read_bytes()
    lines = (folder / "hosts.jsonl").read_text().splitlines()
    return [(host, ca, key, own.encode()) for host, own in map(json.loads, lines)]
