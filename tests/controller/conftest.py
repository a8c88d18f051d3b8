"""What tests of the controller share: an empty store, a ledger that only remembers, samples."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, Engine

from lockgate.controller.store.database import open_writer
from lockgate.controller.store.schema import metadata
from lockgate.scan.report import (
    EngineInfo,
    Finding,
    FindingClass,
    FindingKind,
    Gap,
    GapReason,
    Occurrence,
    Proof,
    Report,
)
from lockgate.wire.ids import uuid7
from lockgate.wire.transfer import Boundary, FileIdentity, Opener, Transfer, Zone

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class RememberingLedger:
    """Keeps entries in a list; no tree, no tables."""

    def __init__(self) -> None:
        self.entries: list[Mapping[str, Any]] = []

    def append(self, connection: Connection, entry: Mapping[str, Any]) -> int:
        self.entries.append(entry)
        return len(self.entries) - 1

    def kinds(self) -> list[str]:
        return [entry["kind"] for entry in self.entries]


class Samples:
    """Makes domain objects; every keyword replaces one field."""

    now = NOW

    def finding(self, **changes: Any) -> Finding:
        fields: dict[str, Any] = {
            "kind": FindingKind.PRIVATE_KEY,
            "class_": FindingClass.PRIVATE,
            "algorithm": "RSA",
            "bits": 2048,
            "fingerprint": "sha256:" + "ab" * 32,
            "proof": (Proof.RSA_FACTORS,),
            "occurrences": (Occurrence("pem", 10, 1700),),
        }
        return Finding(**{**fields, **changes})

    def report(self, *findings: Finding, gaps: tuple[Gap, ...] = ()) -> Report:
        return Report(
            path="/zone/core.1",
            sha256="cd" * 32,
            size=4096,
            findings=findings,
            gaps=gaps,
            bytes_scanned=4096,
            seconds=0.25,
            engine=EngineInfo("0.1.0", "rules-1", "standard", ("yara",)),
        )

    def gap(self) -> Gap:
        return Gap(GapReason.TRUNCATED, detail="promised more")

    def transfer(self, host: str = "host-1", **changes: Any) -> Transfer:
        fields: dict[str, Any] = {
            "transfer_id": uuid7(),
            "zone": Zone("signing", signing=True),
            "host": host,
            "boundary": Boundary.OPEN,
            "path": "/zone/core.1",
            "identity": FileIdentity(1, 2, 4096, 3, 4),
            "opener": Opener(pid=77, uid=1000, executable="/bin/cp", command="cp core.1 /tmp"),
            "attempt_time": NOW,
        }
        return Transfer(**{**fields, **changes})


@pytest.fixture
def engine(tmp_path) -> Iterator[Engine]:
    """An empty store with every table."""
    engine = open_writer(tmp_path / "store.db")
    metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def remembering_ledger() -> RememberingLedger:
    """A ledger that keeps entries in a list."""
    return RememberingLedger()


@pytest.fixture
def samples() -> Samples:
    """Makers of domain objects."""
    return Samples()
