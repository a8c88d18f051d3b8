"""Refusals that are not written one by one: counted, and told of in the end."""

import asyncio
from concurrent.futures import Future
from types import SimpleNamespace

import pytest

from lockgate.controller.calls import Calls
from lockgate.controller.metrics import Tally
from lockgate.controller.refusals import Refusal, RefusalReason
from lockgate.controller.store.database import StoreError


class Writing:
    """Runs units at once, or is away."""

    def __init__(self):
        self.away = False

    def submit(self, work):
        """Do it now."""
        done = Future()
        if self.away:
            done.set_exception(StoreError("away"))
        else:
            done.set_result(work(None))
        return done


class Context:
    """The call of a stranger."""

    def peer(self):
        """From one address."""
        return "ipv4:192.0.2.7:4711"

    async def abort(self, *_):
        """Not needed: the call is over."""
        raise RuntimeError("aborted")


def refused(calls, count):
    """Refuse one address so often."""

    async def run():
        for _ in range(count):
            with pytest.raises(RuntimeError):
                await calls.refuse(Refusal(RefusalReason.LOGIN), Context(), "LogIn", "")

    asyncio.run(run())


def told(ledger):
    """How many refusals the ledger knows of."""
    single = ledger.kinds().count("refusal")
    return single + sum(entry["unwritten"] for entry in ledger.entries)


def test_every_refusal_is_counted_in_the_ledger_in_the_end(remembering_ledger, monkeypatch):
    """Although only so many have an entry, and no later one comes to tell of the others."""
    monkeypatch.setattr("lockgate.controller.calls.time", SimpleNamespace(monotonic=lambda: 90.0))
    calls = Calls(Writing(), remembering_ledger, "test.internal", Tally())
    refused(calls, 500)
    assert remembering_ledger.kinds().count("refusal") <= 120
    asyncio.run(calls.record_rest())
    assert told(remembering_ledger) == 500
    asyncio.run(calls.record_rest())
    assert remembering_ledger.kinds().count("refusals-unwritten") == 1


def test_refusals_while_the_store_is_away_are_counted_on(remembering_ledger):
    """They are told of when it is back."""
    writer = Writing()
    calls = Calls(writer, remembering_ledger, "test.internal", Tally())
    writer.away = True
    refused(calls, 70)
    with pytest.raises(StoreError):
        asyncio.run(calls.record_rest())
    writer.away = False
    asyncio.run(calls.record_rest())
    assert told(remembering_ledger) == 70
