"""Rounds of canaries: at the start of the guard, and then again and again.

Rules enforced here:

1. A round is made by a process of its own for each zone, which is killed when it is late;
   nothing here ever waits in the guard's thread.
2. Until a zone has its first proof rounds follow each other quickly; then at the interval.
3. What the last round of a zone showed is known until the next one has ended.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from lockgate.agent.canary.keys import CanaryKeys
from lockgate.agent.canary.proof import Attempt, Round, Seen, judge_round
from lockgate.agent.guard.zones import GuardedZone

_PROGRAM = "lockgate.agent.canary.prober"
#: Seconds between rounds while a zone waits for its first proof.
_SOON_S = 2.0
#: What a prober may take beyond the deadline of an open (s).
_SPARE_S = 10


@dataclass(frozen=True, slots=True)
class Tried:
    """The last round of a zone, and when its last proof was.

    ``proof_time`` is for people (seconds since 1970), ``proof_at`` for ages (monotonic clock,
    which no clock change moves); None: there was none. ``leaks`` stay until the next proof.
    """

    last: Round | None = None
    leaks: tuple[str, ...] = ()
    proof_time: float | None = None
    proof_at: float | None = None


class Rounds:
    """Makes rounds in a thread of its own; ``after`` is called there after each."""

    def __init__(
        self,
        keys: CanaryKeys,
        zones: Sequence[GuardedZone],
        seen: Callable[[], Mapping[tuple[int, int], Seen]],
        *,
        interval_s: float,
        deadline_s: float,
        after: Callable[[], None],
    ) -> None:
        self._keys = keys
        self._zones = tuple(zones)
        self._seen = seen
        self._interval_s = interval_s
        self._limit_s = int(deadline_s) + _SPARE_S
        self._after = after
        self._number = 0
        self._tried = {zone.zone.name: Tried() for zone in zones}
        #: Attempts by zone, way and result.
        self.counts: Counter[tuple[str, str, str]] = Counter()
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="canaries", daemon=True)

    def start(self) -> None:
        """Begin; the guard is armed."""
        self._thread.start()

    def close(self) -> None:
        """End the prober that runs, and the thread."""
        self._ending.set()
        for process in list(self._running.values()):
            _kill(process)
        if self._thread.is_alive():
            self._thread.join(timeout=self._limit_s)

    def tried(self, zone: str) -> Tried:
        """What was tried in a zone."""
        return self._tried[zone]

    def _run(self) -> None:
        while not self._ending.is_set():
            begun = time.monotonic()
            self._round()
            if self._ending.is_set():
                return
            self._after()
            proved = all(one.proof_at is not None for one in self._tried.values())
            pause = self._interval_s if proved else min(_SOON_S, self._interval_s)
            self._ending.wait(max(0.0, begun + pause - time.monotonic()))

    def _round(self) -> None:
        """One round in every zone, side by side."""
        self._number += 1
        for zone in self._zones:
            with suppress(OSError):
                self._running[zone.zone.name] = self._start(zone)
        end = time.monotonic() + self._limit_s + _SPARE_S
        for zone in self._zones:
            name = zone.zone.name
            attempts, trouble = _answer_of(self._running.get(name), end)
            self._running.pop(name, None)
            self._note(name, judge_round(attempts, self._seen(), self._keys.fingerprints, trouble))

    def _note(self, zone: str, done: Round) -> None:
        for attempt, result in done.results:
            self.counts[zone, attempt.way, result.value] += 1
        before = self._tried[zone]
        if done.proved:
            self._tried[zone] = Tried(done, (), time.time(), time.monotonic())
        else:
            leaks = tuple(dict.fromkeys((*before.leaks, *done.leaks)))
            self._tried[zone] = replace(before, last=done, leaks=leaks)

    def _start(self, zone: GuardedZone) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", _PROGRAM, "--material", str(self._keys.material)]
        command += ["--mount", zone.mount_point, "--device", str(zone.device)]
        command += ["--round", str(self._number), "--limit", str(self._limit_s)]
        return subprocess.Popen(
            command,
            pass_fds=(self._keys.material,),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )


def _answer_of(process: subprocess.Popen[bytes] | None, end: float) -> tuple[list[Attempt], str]:
    """What a prober says; it is killed at ``end`` (monotonic)."""
    if process is None:
        return [], "no prober could be started"
    try:
        said, _ = process.communicate(timeout=max(0.0, end - time.monotonic()))
        answer = json.loads(said)
        return [Attempt(**one) for one in answer["attempts"]], str(answer["trouble"])
    except subprocess.TimeoutExpired:
        _kill(process)
        return [], "the prober did not end in time and was killed"
    except (ValueError, KeyError, TypeError):
        return [], "the prober ended without an answer"


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a prober and its children: all of its session's group."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=5)
