"""A controller that decides and keeps nothing of it: what the store and the ledger cost beside it.

Usage: as ``lockgate controller run``. Identity, form, policy and passport are the real ones; only
what an agent's call does with the store goes nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

from lockgate.controller.calls import Calls
from lockgate.controller.cli import app
from lockgate.controller.ledger import Ledger


class _Nothing:
    """A row of columns that are NULL."""

    def __getattr__(self, _name: str) -> None:
        return None

    def __getitem__(self, _column: int) -> None:
        return None


class _NoRows:
    """The result of every statement."""

    rowcount = 0

    def first(self) -> _Nothing:
        return _Nothing()

    def scalar(self) -> None:
        return None

    scalar_one_or_none = one_or_none = scalar

    def all(self) -> list[Any]:
        return []

    def scalars(self) -> _NoRows:
        return self

    mappings = scalars

    def __iter__(self) -> Iterator[Any]:
        return iter(())


class _NoStore:
    """Takes every statement."""

    dialect = SimpleNamespace(name="none")

    def execute(self, *_statement: Any) -> _NoRows:
        return _NoRows()


async def _decide_only(
    _calls: Calls, _peer: Any, _request: Any, _now: Any, work: Callable[[Any], Any]
) -> Any:
    return work(_NoStore())


def _append(ledger: Ledger, connection: Any, entry: Mapping[str, Any]) -> int:
    return 0 if isinstance(connection, _NoStore) else _really_append(ledger, connection, entry)


_really_append = Ledger.append
Ledger.append = _append
Calls.from_agent = _decide_only
app()
