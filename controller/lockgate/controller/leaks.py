"""What runs beside the calls for the sake of leaked keys.

Rules enforced here:

1. Decisions know the registry and the rulings before the first call is answered, and follow them
   from then on.
2. Whatever makes a key protected, its incident is raised as soon as that is known here.
3. A registration that names a hook which the settings do not have is told in the log: such a hook
   does not run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from socket import gethostname
from typing import Any

import structlog
from sqlalchemy import Connection

from lockgate.controller import clock
from lockgate.controller.hooks.runner import HookRunner
from lockgate.controller.incidents import catching_up
from lockgate.controller.services import Parts
from lockgate.controller.store.database import StoreError, store_faults
from lockgate.controller.triage import store as triage

log = structlog.get_logger()


async def start(parts: Parts) -> None:
    """What is done before calls are answered."""
    await _read(parts)

    def work(connection: Connection) -> int:
        keys, hooks = parts.gate.keys.current.protected, parts.gate.hooks
        return catching_up.queue_revocations(connection, keys, hooks, clock.now())

    if queued := await asyncio.wrap_future(parts.writer.submit(work)):
        log.info("hooks wait to be confirmed", count=queued)


async def follow(parts: Parts) -> None:
    """Let decisions use the registry and the rulings as they are."""
    if await _read(parts):
        log.info("keys read", protected=len(parts.gate.keys.current.protected))


async def _read(parts: Parts) -> bool:
    """Read what is new, and raise the incidents that it concerns; whether there was anything."""

    def read() -> bool:
        with store_faults(), parts.reader.connect() as connection:
            return parts.gate.keys.refresh(connection)

    def work(connection: Connection) -> int:
        keys, hooks = parts.gate.keys.current.protected, parts.gate.hooks
        return catching_up.raise_registered(connection, parts.ledger, keys, hooks, clock.now())

    if not await asyncio.to_thread(read):
        return False
    _tell_of_missing_hooks(parts)
    try:
        raised = await asyncio.wrap_future(parts.writer.submit(work))
    except StoreError:
        parts.gate.keys.forget()  # so that the next turn does all of it again
        raise
    if raised:
        log.warning("protected keys had leaked before they were registered", count=raised)
    return True


def _tell_of_missing_hooks(parts: Parts) -> None:
    named = parts.gate.keys.current.protected.hooks()
    missing = named - {hook.name for hook in parts.gate.hooks.all}
    if missing:
        log.warning("registered keys name hooks that are not set", hooks=sorted(missing)[:20])


def end_rulings(parts: Parts, connection: Connection) -> int:
    """End the rulings whose time has come; how many."""
    return triage.expire(connection, parts.ledger, clock.now())


def hook_runs(parts: Parts) -> list[Coroutine[Any, Any, None]]:
    """One task for each hook; a controller is known by its host and state folder."""
    who = f"{gethostname()}:{parts.settings.state_dir.resolve()}"
    stores = (parts.reader, parts.writer, parts.ledger)
    return [
        HookRunner(hook, who, lambda: parts.gate.keys.current.protected, *stores).run()
        for hook in parts.settings.hooks
    ]
