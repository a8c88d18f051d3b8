"""What status says of the zones of a guard: plain values for JSON, made from facts. Pure.

Rules enforced here: a zone says its state with the reasons, and with the proof it rests on:
when, and what was tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from lockgate.agent.canary.proof import Round
from lockgate.agent.canary.rounds import Tried
from lockgate.agent.guard.census import OpenFile
from lockgate.agent.metrics import Sample
from lockgate.wire.agent import GuardState, ZoneHealth


def zone_status(health: ZoneHealth, path: str, tried: Tried | None = None) -> dict[str, Any]:
    """One zone; ``path`` is escaped. ``tried`` None: its mode tries no canaries."""
    said: dict[str, Any] = {
        "name": health.zone,
        "path": path,
        "state": health.state.value,
        "reasons": list(health.reasons),
    }
    if tried is not None:
        said["last_proof"] = _text(tried.proof_time)
        said["tried"] = list(_attempts(tried.last)) if tried.last is not None else []
    return said


def _attempts(last: Round) -> Iterator[str]:
    for attempt, result in last.results:
        yield f"{attempt.way} of a {attempt.form} file: {result.value}"


def _text(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()


def census_by_process(files: Sequence[OpenFile]) -> list[dict[str, Any]]:
    """Who had what open before the guard was put on: one entry for each process."""
    processes: dict[int, list[OpenFile]] = {}
    for file in files:
        processes.setdefault(file.pid, []).append(file)
    return [
        {
            "pid": pid,
            "executable": found[0].executable,
            "descriptors": sum(not file.mapped for file in found),
            "mappings": sum(file.mapped for file in found),
            "files": len({file.inode for file in found}),
            "writes": any(file.writes for file in found),
        }
        for pid, found in sorted(processes.items())
    ]


def zone_samples(
    zones: Iterable[ZoneHealth],
    tried: Mapping[str, Tried],
    counts: Mapping[tuple[str, str, str], int],
) -> Iterator[Sample]:
    """The metrics of zones and canaries."""
    for health in zones:
        for state in GuardState:
            labels = (("zone", health.zone), ("state", state.value))
            yield Sample("lockgate_zone_state", float(state is health.state), labels)
    for zone, one in tried.items():
        if one.proof_time is not None:
            name = "lockgate_canary_last_proof_timestamp_seconds"
            yield Sample(name, one.proof_time, (("zone", zone),))
    for (zone, way, result), count in sorted(counts.items()):
        what = (("zone", zone), ("way", way), ("result", result))
        yield Sample("lockgate_canary_attempts_total", count, what)
