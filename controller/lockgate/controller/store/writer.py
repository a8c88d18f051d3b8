"""Group commit: one thread writes, and answers only what is durable.

Rules enforced here:

1. All writes of a process go through one thread, in the order in which they were submitted.
2. Work that arrives within a short window shares one transaction and one fsync; nobody is
   answered before that transaction is committed.
3. A unit of work that raises does not take its neighbours with it: the batch is rolled back
   and each unit runs again alone. Units therefore must be repeatable: they read and write
   through their connection and have no other effect.
4. When the store is full or gone, every unit of the batch fails with the store's exception,
   and the next batch tries again: the writer recovers as soon as the disk does.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from lockgate.controller.store.database import StoreError, store_error

T = TypeVar("T")

#: Seconds to wait for company before a commit.
WINDOW = 0.003
#: Units in one transaction, at most.
LARGEST_BATCH = 256


@dataclass(frozen=True, slots=True)
class _Unit(Generic[T]):
    work: Callable[[Connection], T]
    future: Future[T]


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

    def waiting(self) -> int:
        """How many units wait, for the metrics and for refusing more."""
        return self._queue.qsize()

    def close(self) -> None:
        """Commit what has been submitted and stop."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        more = True
        while more:
            batch, more = self._gather()
            if batch:
                self._commit(batch)

    def _gather(self) -> tuple[list[_Unit[Any]], bool]:
        """The next batch, and whether more may follow."""
        first = self._queue.get()
        if first is None:
            return [], False
        batch = [first]
        end = time.monotonic() + WINDOW
        while len(batch) < LARGEST_BATCH:
            try:
                unit = self._queue.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                break
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
            for unit, result in zip(batch, results, strict=True):
                unit.future.set_result(result)

    def _transact(self, batch: Sequence[_Unit[Any]]) -> list[Any]:
        try:
            with self._engine.begin() as connection:
                return [unit.work(connection) for unit in batch]
        except OperationalError as error:
            self._rolled_back()
            raise store_error(error) from None
        except BaseException:
            self._rolled_back()
            raise


def _alive(batch: Sequence[_Unit[Any]]) -> list[_Unit[Any]]:
    """What nobody has called off; from here on it cannot be."""
    return [unit for unit in batch if unit.future.set_running_or_notify_cancel()]


def _fail(batch: Sequence[_Unit[Any]], error: Exception) -> None:
    for unit in batch:
        unit.future.set_exception(error)
