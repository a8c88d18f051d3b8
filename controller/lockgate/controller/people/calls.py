"""One way through the controller for every call of a person.

Rules enforced here:

1. In this order: certificate, form of the message, then in one unit of work: is the person known
   and allowed, was the request answered before, and what the call itself does.
2. Reading is recorded too: the ledger entry ``view`` is durable before anything is shown. What a
   view reads, it reads beside the writer, so that it holds up no decision.
   It does so in threads of its own, and only so many wait for one: people who look hold up
   neither the controller's own work nor anybody's writing.
3. Whatever fails ends as a :class:`Refusal`, in the ledger, without an exception text.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, TypeAlias

import grpc
import structlog
from google.protobuf.json_format import MessageToDict
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from lockgate.controller import answers, clock, entries
from lockgate.controller.calls import Calls, violations_of
from lockgate.controller.people import identity, people
from lockgate.controller.people.identity import Caller
from lockgate.controller.people.roles import Person, Role
from lockgate.controller.records import Ledger
from lockgate.controller.refusals import Refusal, RefusalReason

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

#: What a call does: the serialised response, or a refusal.
PersonWork = Callable[[Connection, Person, datetime], "bytes | Refusal"]
PersonView = Callable[[Connection], "bytes | Refusal"]

#: Views that are made or wait to be.
MOST_VIEWS = 64
_VIEWS_AT_ONCE = 4
_RETRY_MS = 1000

log = structlog.get_logger()


class PersonCalls:
    """Runs calls of people against the store."""

    def __init__(self, calls: Calls, ledger: Ledger, reader: Engine, trust_domain: str) -> None:
        self._calls = calls
        self._ledger = ledger
        self._reader = reader
        self._trust_domain = trust_domain
        self._threads = ThreadPoolExecutor(_VIEWS_AT_ONCE, "views")
        self._viewing = 0

    async def write(
        self, request: Any, context: _Context, name: str, roles: frozenset[Role], work: PersonWork
    ) -> bytes:
        """Run ``work`` in one unit of work, once per request id; the serialised response.

        ``roles``: whoever has one of them may. The call is aborted on a refusal.
        """

        def unit(connection: Connection, who: Caller, now: datetime) -> bytes | Refusal:
            person = identity.admitted(connection, who, roles)
            if isinstance(person, Refusal):
                return person
            key = (request.request_id, f"person/{person.id}", answers.digest(request))
            earlier = answers.recall(connection, *key)
            if earlier is not None:
                return earlier
            answer = work(connection, person, now)
            if not isinstance(answer, Refusal):
                answers.remember(connection, *key, answer, clock.to_micros(now))
            return answer

        return await self._run(request, context, name, unit)

    async def read(
        self, request: Any, context: _Context, name: str, roles: frozenset[Role], work: PersonView
    ) -> bytes:
        """Record who looks at what, then run ``work`` beside the writer."""

        def unit(connection: Connection, who: Caller, now: datetime) -> bytes | Refusal:
            person = identity.admitted(connection, who, roles)
            if isinstance(person, Refusal):
                return person
            asked = MessageToDict(request, preserving_proto_field_name=True)
            self._ledger.append(connection, entries.view(name, person.id, asked, now))
            return b""

        def show() -> bytes | Refusal:
            with self._reader.connect() as connection:
                return work(connection)

        return await self._run(request, context, name, unit, lambda: self._view(show))

    async def _view(self, show: Callable[[], bytes | Refusal]) -> bytes | Refusal:
        if self._viewing >= MOST_VIEWS:
            return Refusal(RefusalReason.OVERLOAD, retry_ms=_RETRY_MS)
        self._viewing += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, show)
        finally:
            self._viewing -= 1

    async def _run(
        self,
        request: Any,
        context: _Context,
        name: str,
        unit: Callable[[Connection, Caller, datetime], bytes | Refusal],
        then: Callable[[], Awaitable[bytes | Refusal]] | None = None,
    ) -> bytes:
        now = clock.now()
        who = identity.caller(context.auth_context(), self._trust_domain, now)
        answer: bytes | Refusal = b""
        if isinstance(who, Refusal):
            answer = who
        else:
            known = who
            answer = violations_of(request) or await self._calls.submit(
                lambda c: unit(c, known, now)
            )
        if then is not None and not isinstance(answer, Refusal):
            answer = await _shown(name, then())
        if isinstance(answer, Refusal):
            await self._calls.refuse(answer, context, name, await self._called(who))
        return answer

    async def _called(self, who: Caller | Refusal) -> str:
        """What the ledger calls somebody: by id, where the login is known."""
        if isinstance(who, Refusal):
            return ""

        def find() -> str:
            with self._reader.connect() as connection:
                person = people.logged_in(connection, who.serial)
            return f"person/{person.id}" if person else "person"

        try:
            return await asyncio.to_thread(find)
        except SQLAlchemyError:
            return "person"


async def _shown(name: str, view: Awaitable[bytes | Refusal]) -> bytes | Refusal:
    """What a view shows; a fault of ours becomes a refusal, and only the log sees it."""
    try:
        return await view
    except SQLAlchemyError as error:
        log.warning("store unavailable", call=name, error=type(error).__name__)
        return Refusal(RefusalReason.STORE_UNAVAILABLE)
    except Exception:
        log.exception("call failed", call=name)
        return Refusal(RefusalReason.INTERNAL)
