"""One way through the controller for every mutating call.

Rules enforced here:

1. In this order: identity, form of the message, host, then one unit of work in the store:
   is the agent admitted, was the request answered before, is a number missing, and what the
   call itself does. The answer leaves only when all of it is durable.
2. Whatever fails ends as a :class:`Refusal`: the peer gets a status with the reason, the
   ledger an entry, the log the fault. No exception text reaches a peer.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, NoReturn, TypeAlias

import grpc
import structlog
from sqlalchemy import Connection

from lockgate.controller import answers, clock, refusals, sequences
from lockgate.controller.identity import peers
from lockgate.controller.metrics import Tally
from lockgate.controller.records import Ledger
from lockgate.controller.refusals import Refusal, RefusalLimit, RefusalReason
from lockgate.controller.store.database import StoreError, StoreFullError
from lockgate.controller.store.writer import Writer
from lockgate.wire.validate import violations

_LARGEST_SEQUENCE = 2**63 - 1

log = structlog.get_logger()

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

#: The part of a unit of work that is the call's own; the serialised response, or a refusal.
Work = Callable[[Connection], "bytes | Refusal"]


@dataclass(frozen=True, slots=True)
class _Call:
    """What is known of a call before its unit of work runs."""

    host: str
    serial: str
    request_id: str
    sequence: int
    content: bytes
    now: datetime


class Calls:
    """Runs calls against the store; more than ``most_waiting`` units of work are not taken."""

    def __init__(
        self,
        writer: Writer,
        ledger: Ledger,
        trust_domain: str,
        tally: Tally,
        most_waiting: int = 2048,
    ) -> None:
        self._writer = writer
        self._most_waiting = most_waiting
        self._ledger = ledger
        self._trust_domain = trust_domain
        self._limit = RefusalLimit()
        self._tally = tally

    def identify(self, context: _Context) -> peers.Peer | Refusal:
        """The agent that calls."""
        return peers.identify(context.auth_context(), self._trust_domain, clock.now())

    async def from_agent(
        self, peer: peers.Peer, request: Any, now: datetime, work: Work
    ) -> bytes | Refusal:
        """Run ``work`` for an identified agent, once per request id."""
        if not 1 <= request.sequence <= _LARGEST_SEQUENCE:
            return Refusal(RefusalReason.MALFORMED, "sequence: out of range")
        content = answers.digest(request)
        call = _Call(peer.host, peer.serial, request.request_id, request.sequence, content, now)
        return await self.submit(partial(self._agent_unit, call, work))

    async def from_stranger(self, request: Any, now: datetime, work: Work) -> bytes | Refusal:
        """Run ``work`` for a peer that has no identity yet, once per request id."""
        call = _Call("", "", request.request_id, 0, answers.digest(request), now)
        return await self.submit(partial(self._answer_unit, call, work))

    async def submit(self, unit: Callable[[Connection], bytes | Refusal]) -> bytes | Refusal:
        """Run a unit of work; a refusal when the store cannot take or keep it."""
        waiting = self._writer.waiting()
        if waiting > self._most_waiting:
            chance = random.random()  # noqa: S311  (spreads, hides nothing)
            pause = refusals.retry_ms(waiting, chance)
            return Refusal(RefusalReason.OVERLOAD, retry_ms=pause)
        try:
            return await self._writer.run(unit)
        except StoreFullError:
            return Refusal(RefusalReason.STORE_FULL)
        except StoreError as error:
            log.warning("store unavailable", error=str(error))
            return Refusal(RefusalReason.STORE_UNAVAILABLE)
        except Exception:
            log.exception("unit of work failed")
            return Refusal(RefusalReason.INTERNAL)

    def _agent_unit(self, call: _Call, work: Work, connection: Connection) -> bytes | Refusal:
        refusal = peers.admitted(connection, call.host, call.serial)
        if refusal is not None:
            return refusal
        return self._answer_unit(call, partial(self._counted, call, work), connection)

    def _counted(self, call: _Call, work: Work, connection: Connection) -> bytes | Refusal:
        sequences.observe(
            connection,
            partial(self._ledger.append, connection),
            call.host,
            call.sequence,
            clock.to_micros(call.now),
            clock.rfc3339(call.now),
        )
        return work(connection)

    def _answer_unit(self, call: _Call, work: Work, connection: Connection) -> bytes | Refusal:
        earlier = answers.recall(connection, call.request_id, call.host, call.content)
        if earlier is not None:
            return earlier
        answer = work(connection)
        if not isinstance(answer, Refusal):
            micros = clock.to_micros(call.now)
            key = (call.request_id, call.host, call.content)
            answers.remember(connection, *key, answer, micros)
        return answer

    async def refuse(self, refusal: Refusal, context: _Context, name: str, who: str) -> NoReturn:
        """Record the refusal and end the call with its status."""
        self._tally.add("lockgate_refusals_total", refusal.reason.value)
        await self._record(refusal, name, who or _address(context), _address(context))
        metadata = [(refusals.REASON_KEY, refusal.reason.value)]
        if refusal.retry_ms:
            metadata.append((refusals.RETRY_KEY, str(refusal.retry_ms)))
        await context.abort(refusal.code, refusal.text, tuple(metadata))
        raise AssertionError("abort always raises")

    async def record_rest(self) -> None:
        """Write how many refusals were not written one by one, if no later one has said so.

        Raises:
            StoreError: not now; they are counted on.
        """
        unwritten = self._limit.take()
        if not unwritten:
            return
        entry = refusals.rest(unwritten, clock.rfc3339(clock.now()))
        try:
            await asyncio.wrap_future(
                self._writer.submit(lambda connection: self._ledger.append(connection, entry))
            )
        except StoreError:
            self._limit.put_back(unwritten)
            raise

    async def _record(self, refusal: Refusal, name: str, who: str, address: str) -> None:
        unwritten = self._limit.admit(address, time.monotonic())
        if unwritten is None:
            return
        log.warning("call refused", call=name, peer=who, reason=refusal.reason.value)
        now = clock.rfc3339(clock.now())
        entry = refusals.entry(refusal, call=name, peer=who, time=now, unwritten=unwritten)
        try:
            await asyncio.wrap_future(
                self._writer.submit(lambda connection: self._ledger.append(connection, entry))
            )
        except StoreError as error:
            self._limit.put_back(unwritten + 1)
            log.warning("refusal not recorded", error=str(error))


def violations_of(request: Any) -> Refusal | None:
    """What is wrong with the form of a request."""
    found = violations(request)
    return Refusal(RefusalReason.MALFORMED, "; ".join(found[:3])[:500]) if found else None


def _address(context: _Context) -> str:
    """The peer's address without its port."""
    return str(context.peer()).rpartition(":")[0]
