"""A trial of one way on one filesystem: unguarded, guarded and clean, guarded and dirty.

Rules enforced here:

1. A way that shows nothing where no guard stands proves nothing, and its trial fails. There
   a race counts by itself, without the ordinary read at its end.
2. A guard that stops a clean file fails as one that lets a dirty file out.
3. What is not promised must still leak: else the promise can be widened, and should be.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.conformance import guards
from tests.conformance.attempt import Result, Running
from tests.conformance.contents import Content, clean, dirty
from tests.conformance.filesystems import Ground, clear, mounted
from tests.conformance.way import Place, Scope, Way


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of the three attempts."""

    way: Way
    filesystem: str
    unguarded: Result
    clean: Result
    dirty: Result

    @property
    def leaks(self) -> bool:
        """Whether dirty bytes got out under the guard."""
        return self.dirty.shown

    def problems(self) -> Iterator[str]:
        """Everything that is not as it should be, in sentences."""
        promised = self.way.scope is not Scope.NOT_PROMISED
        if not self.unguarded.shown:
            yield f"unguarded, nothing got out: {self.unguarded.summary}"
        if not self.clean.shown:
            yield f"the clean file did not pass the guard: {self.clean.summary}"
        if self.dirty.shown and promised:
            yield f"LEAK through the guard: {self.dirty.summary}"
        if self.dirty.hung:
            yield f"the dirty file's opener hung: {self.dirty.summary}"
        if not self.dirty.shown and not promised:
            yield f"not promised, but kept; promise it: {self.dirty.summary}"


@dataclass(slots=True)
class _Waiting:
    """Attempts whose first step was done before the guard."""

    place: Place
    running: Running


@dataclass(slots=True)
class Field:
    """Two filesystems of one kind, of which one is guarded; ``named`` by the agent's census."""

    filesystem: str
    free: Ground
    guarded: Ground
    named: set[str] = field(default_factory=set)
    _waiting: dict[tuple[str, bool], _Waiting] = field(default_factory=dict)

    def prepare(self, ways: Sequence[Way]) -> None:
        """Do what the ways do before the guard."""
        for way in ways:
            if way.begins_before and self.filesystem in way.filesystems:
                for secret in (False, True):
                    content = dirty() if secret else clean()
                    self._waiting[way.name, secret] = _start(way, self.guarded, content)

    def named_by(self, census: set[int]) -> set[str]:
        """The prepared ways of whose processes, with the dirty file, the census names one."""
        return {
            name
            for (name, secret), waiting in self._waiting.items()
            if secret and waiting.running.pids() & census
        }

    def try_way(self, way: Way) -> Trial:
        """The three attempts, side by side."""
        attempts = (
            _start(way, self.free, dirty(), ends_with_read=False),
            self._waiting.pop((way.name, False), None) or _start(way, self.guarded, clean()),
            self._waiting.pop((way.name, True), None) or _start(way, self.guarded, dirty()),
        )
        for attempt in attempts:
            attempt.running.proceed()
        results = [attempt.running.finish() for attempt in attempts]
        for attempt in attempts:
            clear(attempt.place)
        return Trial(way, self.filesystem, *results)

    def abandon(self) -> None:
        """End the attempts that were prepared and never finished."""
        for waiting in self._waiting.values():
            waiting.running.abandon()
            clear(waiting.place)


def _start(way: Way, ground: Ground, content: Content, *, ends_with_read: bool = True) -> _Waiting:
    place = ground.place(content, ends_with_read=ends_with_read)
    return _Waiting(place, Running(way, place, place.elsewhere.with_suffix(".errors")))


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder on a filesystem that no guard is put on."""
    folder = Path(tempfile.mkdtemp(prefix="lockgate-c-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def field_of(filesystem: str, ways: Sequence[Way], weakness: str = "") -> Iterator[Field]:
    """A guarded field, after every way did what it does before the guard.

    ``weakness``: instead of the real agent, the small guard that lacks this (weakened.py).
    """
    with ExitStack() as stack:
        folder = stack.enter_context(scratch_folder())
        free = stack.enter_context(mounted(filesystem, folder / "free"))
        guarded = stack.enter_context(mounted(filesystem, folder / "guarded"))
        found = Field(filesystem, free, guarded)
        stack.callback(found.abandon)
        found.prepare(ways)
        if weakness:
            weak = guards.weakened(weakness, guarded.mount_point, guarded.zone, folder)
            stack.enter_context(weak)
        else:
            agent = stack.enter_context(guards.agent(guarded.zone, folder))
            found.named = found.named_by(agent.census())
        yield found
