"""Putting an agent together from its settings, and running it until it is told to end.

Rules enforced here: decider and workers stand before anything is watched or held, and are
closed after it, whatever happened.
"""

from __future__ import annotations

from lockgate.agent.config import AgentSettings, Mode
from lockgate.agent.verdicts.deciders import decider_of
from lockgate.agent.workers.pool import WorkerPool, WorkerSettings
from lockgate.cli.hardening import forbid_core_dumps


def pool_of(settings: AgentSettings) -> WorkerPool:
    """The scan workers."""
    scan = settings.scan
    return WorkerPool(
        WorkerSettings(
            count=scan.workers,
            private_bytes=scan.memory_bytes,
            profile=scan.profile.value,
            registry=tuple(path.resolve(strict=True) for path in scan.registry_files),
        )
    )


def run(settings: AgentSettings, *, local: bool) -> None:
    """Run one agent in the mode of its zones.

    Raises:
        ZoneError, CredentialsError, PolicyError, HolderBusyError, OSError: it cannot start;
            the text is for the operator.
    """
    from lockgate.agent.guarding import run_guard
    from lockgate.agent.watching import run_watch

    forbid_core_dumps()
    settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings.run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    decider = decider_of(settings, local=local)
    workers = pool_of(settings)
    try:
        if settings.zones[0].mode is Mode.ENFORCE:
            run_guard(settings, decider, workers)
        else:
            run_watch(settings, decider, workers)
    finally:
        workers.close()
        decider.close()
