"""The serving controller: everything put together, from the store to the ports.

Rules enforced here:

1. The store is migrated and its durability verified before a port is opened; the policy and
   the registry are loaded whole or the controller does not start.
2. On SIGTERM calls under way get their answer, then the last writes are committed.
3. A task that ends by a fault takes the process down: a controller that no longer alerts
   must not look healthy.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from sqlalchemy import Engine

from lockgate.controller import answers, clock, metrics, records, registry, setup
from lockgate.controller.alerts.delivery import Delivery
from lockgate.controller.alerts.destinations import sinks
from lockgate.controller.calls import Calls
from lockgate.controller.config import ControllerSettings
from lockgate.controller.enrolment_service import EnrolmentService
from lockgate.controller.identity import authority
from lockgate.controller.identity.authority import ServerCertificate
from lockgate.controller.ledger import Ledger, publish
from lockgate.controller.service import DecisionService, Gate
from lockgate.controller.store.database import StoreError, open_reader, open_writer
from lockgate.controller.store.migrate import migrate
from lockgate.controller.store.writer import Writer
from lockgate.policy import default_policy
from lockgate.policy import load as load_policy
from lockgate.v1 import decision_pb2, decision_pb2_grpc, enrolment_pb2, enrolment_pb2_grpc
from lockgate.wire import channels

_GRACE_SECONDS = 5.0
_OVERDUE_SECONDS = 10.0
_CHECKPOINT_SECONDS = 5.0
_PRUNE_SECONDS = 3600.0
#: How long an agent that did not hear an answer may ask for it again.
_ANSWERS_KEPT = timedelta(days=7)

_CONCURRENT_CALLS = 2048
_OPTIONS = (
    ("grpc.max_receive_message_length", channels.MESSAGE_LIMIT),
    ("grpc.max_metadata_size", 16 * 1024),
    ("grpc.so_reuseport", 0),
)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Store:
    """The open store of a serving controller."""

    writer: Writer
    reader: Engine
    ledger: Ledger


async def serve(
    settings: ControllerSettings,
    ready: Callable[[str], None],
    stop: asyncio.Event,
    *,
    durability: str = "FULL",
) -> None:
    """Serve until ``stop`` is set; ``ready`` is told the addresses once calls are answered.

    Raises:
        StoreError, IdentityError, PolicyError, RegistryError, OSError: it cannot start.
    """
    ca = authority.load(settings.identity_dir)
    gate = _gate(settings)
    notary = _Notary(
        key=authority.load_signing_key(settings.identity_dir / authority.LEDGER_KEY),
        origin=f"{ca.trust_domain}/ledger",
        state_dir=settings.state_dir,
    )
    async with _open_store(settings, durability) as store, AsyncExitStack() as stack:
        stack.push_async_callback(_attempt, lambda: notary.sign(store))
        tally = metrics.Tally()
        calls = Calls(store.writer, store.ledger, ca.trust_domain, tally)
        decisions = DecisionService(calls, store.ledger, gate, tally)
        enrolment = EnrolmentService(calls, setup.registrar(settings, store.ledger))
        names = authority.server_names(settings.listen, settings.names)
        shown = ServerCertificate(ca, names)
        port = await stack.enter_async_context(
            _serving_decisions(settings, shown, ca.bundle, decisions)
        )
        enrol_port = await stack.enter_async_context(_serving_enrolment(settings, shown, enrolment))
        scraped = metrics.Sources(tally, store.reader, store.writer.waiting)
        scrape = await metrics.serve(scraped, settings.metrics_port)
        await stack.enter_async_context(scrape)
        metrics_port = scrape.sockets[0].getsockname()[1]
        address = settings.listen
        ready(
            f"grpc={address}:{port} enrol={address}:{enrol_port} metrics=127.0.0.1:{metrics_port}"
        )
        log.info("serving", port=port, enrol_port=enrol_port, policy=gate.policy.digest)
        await _until(stop, _tasks(settings, store, notary))


def _gate(settings: ControllerSettings) -> Gate:
    files = settings.policy_files
    return Gate(
        policy=load_policy(files) if files else default_policy(),
        protected=registry.load(settings.registry_files),
        passport_key=authority.load_signing_key(settings.identity_dir / authority.PASSPORT_KEY),
        receipt_due=timedelta(minutes=settings.receipt_minutes),
    )


@asynccontextmanager
async def _open_store(settings: ControllerSettings, durability: str) -> AsyncIterator[_Store]:
    engine = open_writer(settings.database, durability=durability)
    migrate(engine)
    ledger = Ledger()
    writer = Writer(engine, ledger.forget)
    reader = open_reader(settings.database)
    try:
        yield _Store(writer, reader, ledger)
    finally:
        await asyncio.to_thread(writer.close)
        reader.dispose()
        engine.dispose()


@dataclass(frozen=True, slots=True)
class _Notary:
    """Signs the ledger's tree and publishes the checkpoint."""

    key: Ed25519PrivateKey = field(repr=False)
    origin: str
    state_dir: Path

    async def sign(self, store: _Store) -> None:
        """Sign the tree as it is; published only once that is committed."""
        work = store.writer.submit(lambda c: store.ledger.checkpoint(c, self.key, self.origin))
        note = await asyncio.wrap_future(work)
        await asyncio.to_thread(publish, note, self.state_dir)


@asynccontextmanager
async def _serving_decisions(
    settings: ControllerSettings, shown: ServerCertificate, clients: bytes, service: DecisionService
) -> AsyncIterator[int]:
    """The mTLS port; only clients that the bundle vouches for get past the handshake."""
    server = await _new_server(
        decision_pb2.DESCRIPTOR.services_by_name["DecisionService"].full_name
    )
    decision_pb2_grpc.add_DecisionServiceServicer_to_server(service, server)
    credentials = channels.rotating_server_credentials(shown.current, client_ca=clients)
    async with _listening(server, settings.listen, settings.port, credentials) as port:
        yield port


@asynccontextmanager
async def _serving_enrolment(
    settings: ControllerSettings, shown: ServerCertificate, service: EnrolmentService
) -> AsyncIterator[int]:
    """The port for hosts that have no certificate yet."""
    server = await _new_server(
        enrolment_pb2.DESCRIPTOR.services_by_name["EnrolmentService"].full_name
    )
    enrolment_pb2_grpc.add_EnrolmentServiceServicer_to_server(service, server)
    credentials = channels.rotating_server_credentials(shown.current, client_ca=None)
    async with _listening(server, settings.listen, settings.enrol_port, credentials) as port:
        yield port


async def _new_server(service: str) -> grpc.aio.Server:
    """A server with health and reflection for ``service``."""
    server = grpc.aio.server(options=_OPTIONS, maximum_concurrent_rpcs=_CONCURRENT_CALLS)
    state = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(state, server)
    for name in ("", service):
        await state.set(name, health_pb2.HealthCheckResponse.SERVING)
    names = (service, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    return server


@asynccontextmanager
async def _listening(
    server: grpc.aio.Server, host: str, port: int, credentials: grpc.ServerCredentials
) -> AsyncIterator[int]:
    """A started server; the real port."""
    try:
        bound = server.add_secure_port(f"{host}:{port}", credentials)
    except RuntimeError:  # all that gRPC says of it, beside its own line on stderr
        raise OSError(f"{host}:{port}: cannot be listened on; is the port in use?") from None
    await server.start()
    try:
        yield bound
    finally:
        await server.stop(_GRACE_SECONDS)


def _tasks(
    settings: ControllerSettings, store: _Store, notary: _Notary
) -> list[Coroutine[Any, Any, None]]:
    """What runs beside the calls, for as long as the controller serves."""
    overdue_seconds = min(_OVERDUE_SECONDS, settings.receipt_minutes * 15)
    deliveries = [Delivery(sink, store.reader, store.writer).run() for sink in sinks(settings)]
    return [
        _every(overdue_seconds, lambda: _watch_receipts(store)),
        _every(_CHECKPOINT_SECONDS, lambda: notary.sign(store)),
        _every(_PRUNE_SECONDS, lambda: _prune_answers(store)),
        *deliveries,
    ]


async def _every(seconds: float, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Do ``work`` again and again."""
    while True:
        await _attempt(work)
        await asyncio.sleep(seconds)


async def _attempt(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Do ``work``; a disk that is full now may not be so the next time."""
    try:
        await work()
    except (StoreError, OSError) as error:
        log.warning("work beside the calls failed", error=str(error))


async def _watch_receipts(store: _Store) -> None:
    work = store.writer.submit(lambda c: records.record_overdue(c, store.ledger, clock.now()))
    overdue = await asyncio.wrap_future(work)
    if overdue:
        log.warning("receipts overdue", count=overdue)


async def _prune_answers(store: _Store) -> None:
    """Forget old answers, a batch at a time: calls are answered in between."""
    before = clock.to_micros(clock.now() - _ANSWERS_KEPT)
    while await asyncio.wrap_future(store.writer.submit(lambda c: answers.prune(c, before))):
        pass


async def _until(stop: asyncio.Event, work: list[Coroutine[Any, Any, None]]) -> None:
    """Run ``work`` until ``stop``; a fault in any of it ends all and is raised."""
    tasks = [asyncio.create_task(one) for one in work]
    stopped = asyncio.create_task(stop.wait())
    try:
        done, _ = await asyncio.wait([*tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
        for task in done - {stopped}:
            await task
    finally:
        for task in [*tasks, stopped]:
            task.cancel()
        await asyncio.gather(*tasks, stopped, return_exceptions=True)
