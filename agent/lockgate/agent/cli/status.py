"""``lockgate agent status``: how well the zones are guarded, and what that rests on.

Rules enforced here:

1. The exit code is 0 whenever an agent answered; ``--check`` makes it 1 unless every zone is
   enforcing, for programs that only want to know that.
2. A state never stands without its reasons.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from lockgate.agent.cli.common import Json, RunDir, failures
from lockgate.agent.config import DEFAULT_RUN

Check = Annotated[bool, typer.Option("--check", help="Exit 1 unless every zone is enforcing.")]
Census = Annotated[
    bool, typer.Option("--census", help="List who had files open before the guard was put on.")
]


def status(
    run_dir: RunDir = DEFAULT_RUN,
    *,
    as_json: Json = False,
    check: Check = False,
    census: Census = False,
) -> None:
    """Say how the agent of this host is, and its zones."""
    from lockgate.agent.control import ask

    with failures():
        answer = ask(run_dir, "status")
        if census:
            answer |= ask(run_dir, "census")
    if as_json:
        typer.echo(json.dumps(answer, sort_keys=True))
    else:
        for line in lines(answer):
            typer.echo(line)
    if check and any(zone["state"] != "enforcing" for zone in answer["zones"]):
        raise typer.Exit(1)


def lines(answer: Mapping[str, Any]) -> Iterator[str]:
    """The answer for a person: the zones first, then what they rest on."""
    yield f"{answer['state']}: agent of {answer['host']}, mode {answer['mode']}"
    for zone in answer["zones"]:
        yield from _zone(zone)
    workers = answer["workers"]
    yield f"opens waiting: {answer['pending']}"
    yield f"opens: {_counts(answer['counts'])}"
    yield f"scan workers: {len(workers['pids'])}, files waiting for them: {workers['waiting']}"
    if "older_than_mark" in answer:
        yield f"open before the guard was put on: {answer['older_than_mark']} (--census lists them)"
    if "controller" in answer:
        yield from _controller(answer["controller"])
    for process in answer.get("processes", ()):
        yield _process(process)


def _zone(zone: Mapping[str, Any]) -> Iterator[str]:
    yield f"zone {zone['name']} at {zone['path']}: {zone['state']}"
    for reason in zone["reasons"]:
        yield f"  because: {reason}"
    if "last_proof" in zone:
        yield f"  last proof: {zone['last_proof'] or 'none yet'}"
        for tried in zone["tried"]:
            yield f"  tried: {tried}"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none yet"


def _controller(controller: Mapping[str, Any]) -> Iterator[str]:
    reached = "reached" if controller["reached"] else "not reached"
    yield f"controller: {reached}, {controller['waiting']} messages not acknowledged"
    yield f"  certificate until: {controller['certificate_until']}"
    for name in ("dropped", "refused"):
        if controller.get(name):
            yield f"  {name}: {controller[name]}"


def _process(process: Mapping[str, Any]) -> str:
    what = f"{process['descriptors']} descriptors, {process['mappings']} mappings"
    writes = ", some to write" if process["writes"] else ""
    return (
        f"pid {process['pid']} {process['executable']}: {what} of {process['files']} files{writes}"
    )
