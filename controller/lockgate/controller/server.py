"""The serving controller: everything put together, from the store to the ports.

Rules enforced here:

1. The store is migrated and its durability verified before a port is opened; the policy and
   the registry are loaded whole or the controller does not start.
2. On SIGTERM calls under way get their answer, then the last writes are committed, and the
   ledger's tree is signed once more.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import Engine

from lockgate.controller import beside, leaks, metrics, registry, services
from lockgate.controller.backup.rewind import refuse_rewound
from lockgate.controller.beside import Notary
from lockgate.controller.calls import Calls
from lockgate.controller.changes import known
from lockgate.controller.changes.changes import Changes
from lockgate.controller.config import ControllerSettings
from lockgate.controller.hooks.settings import Hooks
from lockgate.controller.identity import authority
from lockgate.controller.identity.authority import Authority, ServerCertificate
from lockgate.controller.known_keys import LiveKeys
from lockgate.controller.ledger import Ledger
from lockgate.controller.passports.issuing import Issuer
from lockgate.controller.people.calls import PersonCalls
from lockgate.controller.policies import beside as policies
from lockgate.controller.policies.live import LivePolicies
from lockgate.controller.ports import serving
from lockgate.controller.service import Gate
from lockgate.controller.services import Parts
from lockgate.controller.store.database import open_reader, open_writer, store_faults
from lockgate.controller.store.lease import Holds, leases_in
from lockgate.controller.store.migrate import migrate
from lockgate.controller.store.serving import only_one
from lockgate.controller.store.writer import Writer
from lockgate.controller.stream.hub import Hub
from lockgate.wire import channels

log = structlog.get_logger()


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
    key = authority.load_signing_key(settings.identity_dir / authority.LEDGER_KEY)
    notary = Notary(key, f"{ca.trust_domain}/ledger", settings.ledger_folder)
    async with _open_store(settings, durability) as store, AsyncExitStack() as stack:
        parts = _parts(settings, ca, gate, store)
        await policies.settle(parts)
        await leaks.start(parts)
        stack.push_async_callback(beside.attempt, lambda: notary.sign(parts))
        names = authority.server_names(settings.listen, settings.names)
        life = timedelta(hours=settings.server_certificate_hours)
        shown = ServerCertificate(ca, names, life)
        known_peers = channels.rotating_server_credentials(shown.current, client_ca=ca.bundle)
        port = await stack.enter_async_context(
            serving(
                services.known_peers(parts),
                parts.calls,
                settings.listen,
                settings.port,
                known_peers,
            )
        )
        strangers = channels.rotating_server_credentials(shown.current, client_ca=None)
        enrol_port = await stack.enter_async_context(
            serving(
                services.strangers(parts),
                parts.calls,
                settings.listen,
                settings.enrol_port,
                strangers,
            )
        )
        scraped = metrics.Sources(parts.tally, store.reader, store.writer.waiting)
        scrape = await metrics.serve(scraped, settings.metrics_port)
        await stack.enter_async_context(scrape)
        metrics_port = scrape.sockets[0].getsockname()[1]
        address = settings.listen
        ready(
            f"grpc={address}:{port} enrol={address}:{enrol_port} metrics=127.0.0.1:{metrics_port}"
        )
        digest = gate.policies.current.active.policy.digest
        log.info("serving", port=port, enrol_port=enrol_port, policy=digest)
        stack.callback(parts.hub.close)
        await _until(stop, beside.works(parts, notary))


def _gate(settings: ControllerSettings) -> Gate:
    return Gate(
        policies=LivePolicies(),
        keys=LiveKeys(registry.load(settings.registry_files)),
        hooks=Hooks(settings.hooks),
        passports=Issuer(
            authority.load_signing_key(settings.identity_dir / authority.PASSPORT_KEY),
            settings.passports,
        ),
        receipt_due=timedelta(minutes=settings.receipt_minutes),
    )


@dataclass(frozen=True, slots=True)
class _Store:
    """The open store of a serving controller."""

    writer: Writer
    reader: Engine
    holds: Holds
    ledger: Ledger


@asynccontextmanager
async def _open_store(settings: ControllerSettings, durability: str) -> AsyncIterator[_Store]:
    with only_one(settings.state_dir):
        engine = open_writer(settings.store, durability=durability)
        migrate(engine)
        with store_faults(), engine.connect() as connection:
            refuse_rewound(connection, settings.ledger_folder)
        ledger = Ledger()
        writer = Writer(engine, ledger.forget)
        reader = open_reader(settings.store)
        leases = leases_in(reader)
        try:
            yield _Store(writer, reader, leases.holds, ledger)
        finally:
            leases.close()
            await asyncio.to_thread(writer.close)
            reader.dispose()
            engine.dispose()


def _parts(settings: ControllerSettings, ca: Authority, gate: Gate, store: _Store) -> Parts:
    tally = metrics.Tally()
    hub = Hub()
    calls = Calls(store.writer, store.ledger, ca.trust_domain, tally, settings.most_waiting)
    return Parts(
        settings=settings,
        authority=ca,
        gate=gate,
        writer=store.writer,
        holds=store.holds,
        reader=store.reader,
        ledger=store.ledger,
        tally=tally,
        calls=calls,
        people=PersonCalls(calls, store.ledger, store.reader, ca.trust_domain),
        changes=Changes(
            store.ledger,
            known.ALL,
            timedelta(hours=settings.change_hours),
            second_person=settings.second_person,
        ),
        hub=hub,
    )


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
