"""What tests of the controller share: an empty store, a ledger that only remembers, samples."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import Connection, Engine, select

from lockgate.controller import config, setup
from lockgate.controller.config import ControllerSettings
from lockgate.controller.ledger import schema as ledger_schema
from lockgate.controller.store.database import Place, open_reader, open_writer, parse_url
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
from lockgate.v1 import decision_pb2, decision_pb2_grpc, enrolment_pb2, enrolment_pb2_grpc
from lockgate.wire import convert
from lockgate.wire.ids import uuid7
from lockgate.wire.transfer import Boundary, FileIdentity, Opener, Receipt, Transfer, Zone

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fakes"))

import postgres  # shared by path, not installed

COMMAND = [sys.executable, "-c", "from lockgate.controller.cli import app; app()"]
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class RememberingLedger:
    """Keeps entries in a list; no tree, no tables."""

    def __init__(self) -> None:
        self.entries: list[Mapping[str, Any]] = []

    def append(self, connection: Connection, entry: Mapping[str, Any]) -> int:
        """Remember an entry; its index."""
        self.entries.append(entry)
        return len(self.entries) - 1

    def kinds(self) -> list[str]:
        """The kinds of all entries."""
        return [entry["kind"] for entry in self.entries]


class Samples:
    """Makes domain objects; every keyword replaces one field."""

    now = NOW

    def finding(self, **changes: Any) -> Finding:
        """A private key, unless changed."""
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
        """A report of one file with these findings and gaps."""
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
        """Bytes that were not looked at."""
        return Gap(GapReason.TRUNCATED, detail="promised more")

    def transfer(self, host: str = "host-1", **changes: Any) -> Transfer:
        """A guarded open by cp, unless changed."""
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


@pytest.fixture(scope="session")
def cluster() -> Iterator[postgres.Cluster]:
    """A PostgreSQL server for all tests of this run."""
    if postgres.programs() is None:
        pytest.skip("needs PostgreSQL (Debian: apt-get install postgresql)")
    with tempfile.TemporaryDirectory(prefix="lockgate-pg-") as folder:
        made = postgres.Cluster(Path(folder))
        made.initialise()
        made.start()
        yield made
        made.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request) -> str:
    """The setting ``database`` of a store that does not exist yet; SQLite, then PostgreSQL."""
    is_file = request.param == "sqlite"
    return "" if is_file else request.getfixturevalue("cluster").database()


@pytest.fixture
def place(tmp_path, database) -> Place:
    """Where a store may be made."""
    return parse_url(database) if database else tmp_path / "store.db"


@pytest.fixture
def engine(place) -> Iterator[Engine]:
    """An empty store with every table."""
    engine = open_writer(place)
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


class RunningController:
    """A real ``lockgate controller run`` on free loopback ports."""

    def __init__(self, state: Path, database: str = "", options: Sequence[str] = ()) -> None:
        self.state = state
        self.database = database
        self.options = options
        self.process: subprocess.Popen[str] | None = None
        self.addresses: dict[str, str] = {}

    @property
    def settings(self) -> ControllerSettings:
        """What its state folder says."""
        return config.load(flags={"state_dir": self.state}, environment={})

    def initialise(self) -> None:
        """Make authority, keys and store."""
        self.configure()
        flags = {"state_dir": self.state, "trust_domain": "test.internal"}
        setup.initialise(config.load(flags=flags, environment={}))

    def configure(self) -> None:
        """Make the state folder, with the settings that are not the defaults."""
        self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.database:
            text = f"database = {json.dumps(self.database)}\n"
            (self.state / "controller.toml").write_text(text)

    def beside(self, state: Path) -> "RunningController":
        """Another controller on the same store: it has the same identity."""
        other = RunningController(state, self.database)
        other.configure()
        shutil.copytree(self.state / "identity", state / "identity")
        return other

    def token(self, host: str | None = None) -> str:
        """A join token good for a minute."""
        return setup.make_token(self.settings, host, timedelta(minutes=1)).text()

    def read(self, query: Callable[..., Any], *arguments: Any) -> Any:
        """The result of one of the store's read queries."""
        with open_reader(self.settings.store).connect() as connection:
            return query(connection, *arguments)

    def start(self, **environment: str) -> "RunningController":
        """Run it and wait until it serves."""
        ports = ("--port", "0", "--enrol-port", "0", "--metrics-port", "0")
        log = (self.state / "log").open("a")
        self.process = subprocess.Popen(
            [*COMMAND, "run", "--dir", self.state, *ports, *self.options],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, **environment},
        )
        line = self.process.stdout.readline()
        assert line.startswith("READY "), (self.state / "log").read_text()
        self.addresses = dict(part.split("=") for part in line.split()[1:])
        return self

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Signal it and wait; its exit code."""
        if self.process is None:
            return 0
        self.process.send_signal(number)
        code = self.process.wait(60)
        self.process.stdout.close()
        self.process = None
        return code

    def entries(self) -> list[dict[str, Any]]:
        """What the ledger says, in its order."""
        entries = ledger_schema.ledger_entries
        rows = self.read(lambda c: c.execute(select(entries).order_by(entries.c.index)).all())
        return [json.loads(row.entry) for row in rows]

    @property
    def ca(self) -> bytes:
        """The CA certificate, PEM."""
        return (self.state / "identity" / "ca.pem").read_bytes()

    def enrolment(self) -> enrolment_pb2_grpc.EnrolmentServiceStub:
        """A client of the enrolment port."""
        credentials = grpc.ssl_channel_credentials(self.ca)
        channel = grpc.secure_channel(self.addresses["enrol"], credentials)
        return enrolment_pb2_grpc.EnrolmentServiceStub(channel)

    def enrol(self, host: str) -> "Agent":
        """A new agent with a certificate."""
        token = self.token()
        key = ec.generate_private_key(ec.SECP256R1())
        request = enrolment_pb2.EnrolRequest(
            request_id=uuid7(), join_token=token, certificate_request=csr(key), host=host
        )
        answer = self.enrolment().Enrol(request, timeout=10)
        return Agent(self, host, key, answer.certificate_chain)


def csr(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A PKCS#10 request, DER."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


class Agent:
    """A client with an identity; counts its messages."""

    def __init__(
        self,
        controller: RunningController,
        host: str,
        key: ec.EllipticCurvePrivateKey,
        chain: bytes,
    ) -> None:
        self.controller, self.host, self.key, self.chain = controller, host, key, chain
        self.sequence = 0
        self.connect()

    def connect(self) -> None:
        """Open the mTLS channel with the present certificate."""
        pem = self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        credentials = grpc.ssl_channel_credentials(self.controller.ca, pem, self.chain)
        self.channel = grpc.secure_channel(self.controller.addresses["grpc"], credentials)
        self.stub = decision_pb2_grpc.DecisionServiceStub(self.channel)

    def number(self) -> int:
        """The number of the next message."""
        self.sequence += 1
        return self.sequence

    def verdict_request(
        self, transfer: Transfer, report: Report
    ) -> decision_pb2.RequestVerdictRequest:
        """A request with a fresh id and number."""
        return decision_pb2.RequestVerdictRequest(
            request_id=uuid7(),
            sequence=self.number(),
            transfer=convert.transfer_to_wire(transfer),
            report=convert.report_to_wire(report),
        )

    def ask(self, transfer: Transfer, report: Report) -> decision_pb2.RequestVerdictResponse:
        """Ask for a verdict."""
        return self.stub.RequestVerdict(self.verdict_request(transfer, report), timeout=10)

    def tell(self, receipt: Receipt) -> decision_pb2.ReportEnforcementResponse:
        """Send a receipt."""
        request = decision_pb2.ReportEnforcementRequest(
            request_id=uuid7(), sequence=self.number(), receipt=convert.receipt_to_wire(receipt)
        )
        return self.stub.ReportEnforcement(request, timeout=10)


@pytest.fixture
def new_controller() -> Iterator[Callable[..., RunningController]]:
    """Makes controllers that are ended with the test; they are neither initialised nor started."""
    made: list[RunningController] = []

    def make(state: Path, database: str = "", options: Sequence[str] = ()) -> RunningController:
        made.append(RunningController(state, database, options))
        return made[-1]

    yield make
    for controller in made:
        controller.stop(signal.SIGKILL)


@pytest.fixture
def controller(tmp_path, database, new_controller) -> RunningController:
    """A running controller of its own."""
    made = new_controller(tmp_path / "state", database)
    made.initialise()
    return made.start()


@pytest.fixture
def agent(controller) -> Agent:
    """An enrolled agent of ``host-1``."""
    return controller.enrol("host-1")


@pytest.fixture
def certificate_request() -> tuple[bytes, ec.EllipticCurvePrivateKey]:
    """A PKCS#10 request and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    return csr(key), key


@pytest.fixture
def small_disk_controller(tmp_path) -> Iterator[RunningController]:
    """A running controller whose state folder has 8 MiB."""
    state = tmp_path / "small"
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "lockgate-c1", state], check=True)
    made = RunningController(state)
    try:
        made.initialise()
        yield made.start()
    finally:
        made.stop(signal.SIGKILL)
        subprocess.run(["umount", "-l", state], check=True)
