"""Putting an agent together from its settings, and running it until it is told to end.

Rules enforced here: decider and workers stand before anything is watched or held, and are
closed after it, whatever happened.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from lockgate.agent import privileges
from lockgate.agent.canary.keys import make_keys
from lockgate.agent.config import AgentSettings, Mode, ZoneSettings
from lockgate.agent.intake.judging import judging
from lockgate.agent.verdicts.deciders import decider_of
from lockgate.agent.workers.pool import WorkerPool
from lockgate.agent.workers.settings import (
    WORKER_USERS,
    Account,
    WorkerSettings,
    ZoneWorkers,
    worker_account,
)
from lockgate.cli.hardening import forbid_core_dumps
from lockgate.scan.salt import read_salt


def pool_of(settings: AgentSettings, registry: Sequence[Path] = ()) -> WorkerPool:
    """The scan workers; ``registry`` files stand beside those of the settings.

    Raises:
        AccountError: no user to run scans as.
        OSError, SaltError: a file that the workers need cannot be used.
    """
    scan = settings.scan
    files = (*scan.registry_files, *registry)
    return WorkerPool(
        WorkerSettings(
            count=scan.workers,
            most=2 * scan.workers + min(len(settings.zones), 8),
            private_bytes=scan.memory_bytes,
            profile=scan.profile.value,
            registry=tuple(path.resolve(strict=True) for path in files),
            zones={zone.zone.name: _zone_workers(zone) for zone in settings.zones},
            others=ZoneWorkers(_account("")),
        )
    )


def _zone_workers(zone: ZoneSettings) -> ZoneWorkers:
    salt_file = zone.salt_file.resolve(strict=True) if zone.salt_file else None
    if salt_file is not None:
        read_salt(salt_file)
    return ZoneWorkers(_account(zone.worker_user), salt_file)


def _account(user: str) -> Account | None:
    """Who scans; an agent without root can only scan as itself."""
    if os.geteuid() != 0:
        return None
    return worker_account((user,) if user else WORKER_USERS)


def run(settings: AgentSettings, *, local: bool) -> None:
    """Run one agent in the mode of its zones.

    Raises:
        ZoneError, CredentialsError, PolicyError, HolderBusyError, OSError: it cannot start;
            the text is for the operator.
    """
    forbid_core_dumps()
    privileges.keep_only(privileges.AGENT)  # before the first thread
    settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings.run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    if settings.zones[0].mode is Mode.ENFORCE:
        _run_guard(settings, local=local)
    else:
        _run_watch(settings, local=local)


def _run_guard(settings: AgentSettings, *, local: bool) -> None:
    from lockgate.agent.guarding import Neighbours, run_guard

    with contextlib.ExitStack() as stack:
        canaries = stack.enter_context(contextlib.closing(make_keys(settings.state_dir)))
        decider = stack.enter_context(contextlib.closing(decider_of(settings, local=local)))
        workers = pool_of(settings, (canaries.registry,))
        stack.enter_context(contextlib.closing(workers))
        stack.enter_context(judging(settings, decider, workers))
        run_guard(settings, Neighbours(decider, workers, canaries))


def _run_watch(settings: AgentSettings, *, local: bool) -> None:
    from lockgate.agent.watching import run_watch

    with (
        contextlib.closing(decider_of(settings, local=local)) as decider,
        contextlib.closing(pool_of(settings)) as workers,
        judging(settings, decider, workers),
    ):
        run_watch(settings, decider, workers)
