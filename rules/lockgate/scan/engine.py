"""The scan of one top-level file: walks, searches, proofs, and the report.

Rules enforced here:

1. The file is identified by ``fstat`` before and after; a difference is a gap ``changed``.
2. What cannot be read to its end has no SHA-256 and is never clean.
3. The engine knows no key format by itself: formats, registry and the list of published keys
   are given to it.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lockgate.scan.evidence import Format
from lockgate.scan.findings import to_findings
from lockgate.scan.limits import Limits, Profile
from lockgate.scan.names import escape_name
from lockgate.scan.registry import Registry
from lockgate.scan.report import EngineInfo, Finding, Gap, GapReason, Report
from lockgate.scan.rules import RulePack, identity_of
from lockgate.scan.salt import EPHEMERAL, Salt
from lockgate.scan.search import anchors
from lockgate.scan.source import FileAccess, RandomAccess, file_chunks, growing_chunks, is_growing
from lockgate.scan.survey import Searches, Survey
from lockgate.scan.version import __version__

Progress = Callable[[int, int], None]


def rule_pack_of(formats: tuple[Format, ...]) -> str:
    """The identity of the rule pack that a scanner of these formats has."""
    return identity_of(_rule_sources(formats), __version__)


def _rule_sources(formats: tuple[Format, ...]) -> dict[str, str]:
    return {f.name: f.rule_source for f in formats} | {anchors.NAMESPACE: anchors.rule_source()}


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the walks over one file have gathered."""

    sha256: str | None
    findings: tuple[Finding, ...]
    gaps: tuple[Gap, ...]
    bytes_scanned: int


class Scanner:
    """Scans files with one rule pack, registry and profile; reusable, not thread-safe."""

    def __init__(
        self,
        formats: tuple[Format, ...],
        registry: Registry,
        is_published: Callable[[str], bool],
        *,
        profile: Profile = Profile.STANDARD,
        limits: Limits | None = None,
        strict: bool = False,
        salt: Salt | None = None,
    ) -> None:
        """Compile the rules.

        Raises:
            RuleError: a format's rules do not compile.
        """
        self._registry = registry
        self._is_published = is_published
        self._limits = limits or Limits()
        self._strict = strict
        pack = RulePack(_rule_sources(formats), __version__)
        self._searches = Searches(pack, formats, registry, profile, self._limits)
        salted = salt.identity if salt else EPHEMERAL
        self.info = EngineInfo(
            __version__, pack.identity, profile.value, self._searches.names, salted
        )

    def scan_fd(
        self,
        fd: int,
        name: str | bytes,
        *,
        progress: Progress | None = None,
        follow: bool = False,
    ) -> Report:
        """Scan the file behind a descriptor, from its first byte to its last.

        Args:
            fd: a readable descriptor; its offset is not used, and it stays open.
            name: what the report calls the file; escaped here.
            progress: called now and then with bytes read so far and bytes in all.
            follow: the file may still grow under its writer's lock (fcntl(2)); it is scanned
                behind the writer and identified by what it is when the lock is gone.
        """
        began = time.monotonic()
        before = os.fstat(fd)
        if not stat.S_ISREG(before.st_mode):
            gap = Gap(GapReason.SPECIAL_FILE, detail="not a regular file")
            return self._report(name, 0, _Seen(None, (), (gap,), 0), began)
        meter = _Meter(fd, before, progress, follow=follow)
        seen = self._scan_file(meter, began + self._limits.seconds)
        if _identity(os.fstat(fd)) != _identity(meter.status):
            gap = Gap(GapReason.CHANGED, detail="the file changed while it was scanned")
            seen = _Seen(None, seen.findings, (*seen.gaps, gap), seen.bytes_scanned)
        return self._report(name, meter.status.st_size, seen, began)

    def unreadable(self, name: str | bytes, size: int, detail: str) -> Report:
        """The report of a file that could not be opened."""
        gap = Gap(GapReason.UNREADABLE, detail=detail)
        return self._report(name, size, _Seen(None, (), (gap,), 0), time.monotonic())

    def lost(self, name: str | bytes, fault: Exception) -> Report:
        """The report of a scan that ended by a fault of ours.

        Only the kind of the fault is told: its text may hold bytes of the file.
        """
        gap = Gap(GapReason.WORKER_LOST, detail=f"the scan ended by {type(fault).__name__}")
        return self._report(name, 0, _Seen(None, (), (gap,), 0), time.monotonic())

    def special(self, name: str | bytes) -> Report:
        """The report of a FIFO, socket or device, which must not even be opened."""
        gap = Gap(GapReason.SPECIAL_FILE, detail="not a regular file")
        return self._report(name, 0, _Seen(None, (), (gap,), 0), time.monotonic())

    def _scan_file(self, meter: _Meter, deadline: float) -> _Seen:
        survey = Survey(self._searches, meter.chunks, meter.access, deadline)
        survey.run()
        findings = to_findings(
            survey.sightings, survey.stored, self._registry.name_of, self._is_published
        )
        return _Seen(meter.sha256, findings, tuple(survey.gaps), survey.bytes_scanned)

    def _report(self, name: str | bytes, size: int, seen: _Seen, began: float) -> Report:
        return Report(
            path=escape_name(name),
            sha256=seen.sha256,
            size=size,
            findings=seen.findings,
            gaps=seen.gaps,
            bytes_scanned=seen.bytes_scanned,
            seconds=time.monotonic() - began,
            engine=self.info,
            strict=self._strict,
        )


class _Meter:
    """Gives the file's bytes for each walk; hashes them on the first, and tells progress."""

    def __init__(
        self, fd: int, status: os.stat_result, progress: Progress | None, *, follow: bool
    ) -> None:
        self._fd = fd
        self._progress = progress
        self._growing = follow and is_growing(fd)
        #: The same for all walks: None for a file that grew when the scan began.
        self.access: RandomAccess | None = None if self._growing else FileAccess(fd, status.st_size)
        #: What the file was when it was whole.
        self.status = status
        self.sha256: str | None = None

    def chunks(self) -> Iterator[bytes]:
        """The bytes of the file in order.

        Raises:
            OSError, EOFError: as :func:`file_chunks`.
        """
        digest = None if self.sha256 else hashlib.sha256()
        done = 0
        for chunk in self._read():
            if digest is not None:
                digest.update(chunk)
            done += len(chunk)
            if self._progress is not None:
                self._progress(done, self.status.st_size)
            yield chunk
        if digest is not None:
            self.sha256 = digest.hexdigest()

    def _read(self) -> Iterator[bytes]:
        if not self._growing:
            yield from file_chunks(self._fd, self.status.st_size)
            return
        yield from growing_chunks(self._fd)
        self._growing = False
        self.status = os.fstat(self._fd)


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )
