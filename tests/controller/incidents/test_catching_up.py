"""Keys that leaked before they were registered, and hooks that came after the leak."""

import json

from sqlalchemy import select

from lockgate.controller import clock
from lockgate.controller.hooks.schema import hook_runs
from lockgate.controller.hooks.settings import Hook, HookAction, Hooks
from lockgate.controller.incidents import catching_up, sightings
from lockgate.controller.incidents.sightings import Place
from lockgate.controller.registry.protected import ProtectedKeys
from lockgate.controller.store.schema import alerts, incidents
from lockgate.scan.report import FindingClass

PRINT = "sha256:" + "ab" * 32
KEYS = ProtectedKeys({PRINT: "token-signing"})
HOOKS = Hooks(
    (
        Hook("pager", command=("/x",)),
        Hook("revoke", action=HookAction.REVOKE, command=("/x",)),
        Hook("other", action=HookAction.REVOKE, keys=("other",), command=("/x",)),
    )
)


def leak(engine, samples, **changes):
    """A key is found."""
    report = samples.report(samples.finding(**changes))
    with engine.begin() as connection:
        sightings.record(connection, report, Place("host-1", "z"), frozenset(), 5)


def runs(engine):
    """Hooks that are queued, and how far they are."""
    with engine.begin() as connection:
        rows = connection.execute(select(hook_runs).order_by(hook_runs.c.id))
        return [(row.hook, row.state, row.cause) for row in rows]


def test_a_key_that_had_leaked_is_raised_when_it_is_registered(engine, samples, remembering_ledger):
    """Once: ledger, alert, incident and hooks."""
    leak(engine, samples)
    leak(engine, samples, fingerprint="sha256:" + "cd" * 32)
    for count in (1, 0):
        with engine.begin() as connection:
            given = (remembering_ledger, KEYS, HOOKS, clock.now())
            assert catching_up.raise_registered(connection, *given) == count
    assert remembering_ledger.kinds() == ["incident-raised"]
    assert runs(engine) == [("pager", "waiting", "raised"), ("revoke", "unconfirmed", "raised")]
    with engine.begin() as connection:
        here = incidents.c.fingerprint == PRINT
        row = connection.execute(select(incidents).where(here)).mappings().one()
        (event,) = connection.execute(select(alerts.c.event)).scalars()
    assert (row["class"], row["protected_name"]) == ("protected", "token-signing")
    assert json.loads(event)["unmapped"]["lockgate"]["incident"] == row["id"]


def test_a_new_hook_that_revokes_waits_in_open_incidents(engine, samples):
    """Once for each; nobody is paged for the past."""
    leak(engine, samples, class_=FindingClass.PROTECTED, protected_name="token-signing")
    leak(engine, samples, fingerprint="sha256:" + "cd" * 32)
    for count in (1, 0):
        with engine.begin() as connection:
            given = (KEYS, HOOKS, clock.now())
            assert catching_up.queue_revocations(connection, *given) == count
    assert runs(engine) == [("revoke", "unconfirmed", "added")]
