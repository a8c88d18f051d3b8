"""An enrolled agent that only asks: for load and durability measurements of the controller.

Its certificate, messages and channel are the real ones; only the scan is made up.
"""

from __future__ import annotations

import hashlib
import itertools
from datetime import UTC, datetime
from pathlib import Path

import grpc

from lockgate.agent.uplink import identity
from lockgate.scan.report import (
    EngineInfo,
    Finding,
    FindingClass,
    FindingKind,
    Occurrence,
    Proof,
    Report,
)
from lockgate.v1 import decision_pb2, decision_pb2_grpc
from lockgate.wire import channels, convert
from lockgate.wire.ids import uuid7
from lockgate.wire.transfer import Boundary, FileIdentity, Opener, Transfer, Zone

ENGINE = EngineInfo("0.1.0", "sha256:" + "0" * 64, "standard", ("format:pem", "openssl-bignum"))


def report_of(number: int) -> Report:
    """A report with one private key; every number is a file and a key of its own."""
    finding = Finding(
        kind=FindingKind.PRIVATE_KEY,
        class_=FindingClass.PRIVATE,
        algorithm="RSA",
        bits=2048,
        fingerprint=f"sha256:{hashlib.sha256(b'key %d' % (number % 100)).hexdigest()}",
        proof=(Proof.RSA_FACTORS,),
        occurrences=(Occurrence("openssl-bignum", 4096, 128),),
    )
    sha256 = hashlib.sha256(b"file %d" % number).hexdigest()
    return Report("core", sha256, 1 << 20, (finding,), (), 1 << 20, 0.1, ENGINE)


def clean_report_of(number: int) -> Report:
    """A report of a file of its own, in which nothing was found."""
    sha256 = hashlib.sha256(b"file %d" % number).hexdigest()
    return Report("core", sha256, 1 << 20, (), (), 1 << 20, 0.1, ENGINE)


def verdict_request(
    host: str, number: int, sequence: int, now: datetime, *, clean: bool = False
) -> decision_pb2.RequestVerdictRequest:
    """The question of ``host`` about file ``number``, in its message ``sequence``."""
    report = clean_report_of(number) if clean else report_of(number)
    transfer = Transfer(
        transfer_id=uuid7(),
        zone=Zone("signing", signing=True),
        host=host,
        boundary=Boundary.OPEN,
        path=f"/zone/core.{number}",
        identity=FileIdentity(1, number + 1, 1 << 20, number, number),
        opener=Opener(pid=1234, uid=1000, executable="/usr/bin/cp", command="cp core /out"),
        attempt_time=now,
    )
    return decision_pb2.RequestVerdictRequest(
        request_id=uuid7(),
        sequence=sequence,
        transfer=convert.transfer_to_wire(transfer),
        report=convert.report_to_wire(report),
    )


class Peer:
    """One agent; ``folder`` keeps its certificate."""

    def __init__(self, folder: Path, address: str, enrolment: str, token: str, host: str) -> None:
        identity.enrol(folder, enrolment, token, host)
        self._folder = folder / "identity"
        self._address = address
        self._host = host
        self._sequence = itertools.count(1)

    @property
    def folder(self) -> Path:
        """Where its certificate and its authority's are."""
        return self._folder

    def channel(self) -> grpc.aio.Channel:
        """A connection of this agent; to be made inside a running event loop."""
        own = (self._folder / "agent.pem").read_bytes()
        ca = (self._folder / "ca.pem").read_bytes()
        credentials = grpc.ssl_channel_credentials(ca, own, own)
        return grpc.aio.secure_channel(self._address, credentials, options=channels.CHANNEL_OPTIONS)

    def request(self, number: int) -> decision_pb2.RequestVerdictRequest:
        """The question about file ``number``."""
        return verdict_request(self._host, number, next(self._sequence), datetime.now(UTC))

    async def ask(
        self, stub: decision_pb2_grpc.DecisionServiceAsyncStub, number: int
    ) -> decision_pb2.RequestVerdictResponse:
        """One verdict."""
        return await stub.RequestVerdict(self.request(number), timeout=30)
