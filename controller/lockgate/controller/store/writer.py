"""Group commit: one thread writes, and answers only what is durable.

Rules enforced here:

1. All writes of a process go through one thread, in the order in which they were submitted;
   other processes' batches come before or after a batch, never between (``store.database``).
2. Work that arrives within a short window shares one transaction and one fsync; nobody is
   answered before that transaction is committed.
3. A unit of work that raises does not take its neighbours with it: the batch is rolled back
   and each unit runs again alone. Units therefore must be repeatable: they read and write
   through their connection and have no other effect.
4. When the store is full or gone, every unit of the batch fails with the store's exception,
   and the next batch tries again: the writer recovers as soon as the store does. Whether a
   commit that was cut off took place is then unknown: whoever repeats a request is told.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from lockgate.controller.store.faults import StoreError, is_of_store, store_error

T = TypeVar("T")

#: Seconds to wait for company before a commit.
WINDOW = 0.003
#: Units in one transaction, at most.
LARGEST_BATCH = 256


@dataclass(frozen=True, slots=True)
class _Unit(Generic[T]):
    work: Callable[[Connection], T]
    future: Future[T] | asyncio.Future[T]
    loop: asyncio.AbstractEventLoop | None = None


class Writer:
    """The only way to write into the store.

    ``rolled_back`` is called after every rollback, so that what mirrors the store in memory
    (the ledger's tree) can forget.
    """

    def __init__(self, engine: Engine, rolled_back: Callable[[], None]) -> None:
        self._engine = engine
        self._rolled_back = rolled_back
        self._queue: queue.SimpleQueue[_Unit[Any] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[Connection], T]) -> Future[T]:
        """Run ``work`` in a transaction; the future is done when that is durable.

        The future fails with :class:`StoreError` when it could not be made durable, or
        with whatever ``work`` raised.
        """
        future: Future[T] = Future()
        self._queue.put(_Unit(work, future))
        return future

    async def run(self, work: Callable[[Connection], T]) -> T:
        """As :meth:`submit`, for calls: the event loop is woken once for a whole batch.

        Raises:
            StoreError: it could not be made durable; also whatever ``work`` raised.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._queue.put(_Unit(work, future, loop))
        return await future

    def waiting(self) -> int:
        """How many units wait, for the metrics and for refusing more."""
        return self._queue.qsize()

    def close(self) -> None:
        """Commit what has been submitted and stop; what is submitted meanwhile fails."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        more = True
        while more:
            batch, more = self._gather()
            if batch:
                self._commit(batch)
        late = [unit for unit in self._left() if unit is not None]
        _fail(_alive(late), StoreError("the store is closing"))

    def _left(self) -> Iterator[_Unit[Any] | None]:
        """What was submitted after the end."""
        with suppress(queue.Empty):
            while True:
                yield self._queue.get_nowait()

    def _gather(self) -> tuple[list[_Unit[Any]], bool]:
        """The next batch, and whether more may follow."""
        first = self._queue.get()
        if first is None:
            return [], False
        time.sleep(WINDOW)  # asleep, so that nobody's arrival costs a switch to this thread
        batch = [first]
        while len(batch) < LARGEST_BATCH and not self._queue.empty():
            unit = self._queue.get()
            if unit is None:
                return _alive(batch), False
            batch.append(unit)
        return _alive(batch), True

    def _commit(self, batch: Sequence[_Unit[Any]]) -> None:
        try:
            results = self._transact(batch)
        except StoreError as error:
            _fail(batch, error)
        except Exception as error:  # noqa: BLE001  (rule 3: one unit's fault is not the batch's)
            if len(batch) == 1:
                _fail(batch, error)
            else:
                for unit in batch:
                    self._commit([unit])
        else:
            _settle(batch, results)

    def _transact(self, batch: Sequence[_Unit[Any]]) -> list[Any]:
        try:
            with self._engine.begin() as connection:
                return [unit.work(connection) for unit in batch]
        except DBAPIError as error:
            self._rolled_back()
            if is_of_store(error):
                raise store_error(error) from None
            raise
        except BaseException:
            self._rolled_back()
            raise


def _alive(batch: Sequence[_Unit[Any]]) -> list[_Unit[Any]]:
    """What nobody has called off; from here on it cannot be."""
    return [unit for unit in batch if _begin(unit.future)]


def _begin(future: Future[Any] | asyncio.Future[Any]) -> bool:
    if isinstance(future, Future):
        return future.set_running_or_notify_cancel()
    return not future.cancelled()


def _fail(batch: Sequence[_Unit[Any]], error: Exception) -> None:
    _settle(batch, [error] * len(batch))


def _settle(batch: Sequence[_Unit[Any]], outcomes: Sequence[Any]) -> None:
    """Tell everybody; an outcome that is an exception is a failure."""
    waking: dict[asyncio.AbstractEventLoop, list[tuple[Any, Any]]] = {}
    for unit, outcome in zip(batch, outcomes, strict=True):
        if unit.loop is None:
            _tell(unit.future, outcome)
        else:
            waking.setdefault(unit.loop, []).append((unit.future, outcome))
    for loop, told in waking.items():
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_tell_all, told)


def _tell_all(told: Sequence[tuple[Any, Any]]) -> None:
    for future, outcome in told:
        if not future.done():
            _tell(future, outcome)


def _tell(future: Any, outcome: Any) -> None:
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
