"""Workers and a decider that judge by a marker in the content, for tests of the guard.

A file that holds ``SECRET`` is quarantined, ``PRIVATE`` blocked, ``UNSURE`` held, ``LOST``
loses its worker, ``SLOW`` takes a second, ``NEVER`` is never answered; all else passes.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from lockgate.agent.ports import Progress
from lockgate.scan.report import (
    EngineInfo,
    Finding,
    FindingClass,
    FindingKind,
    Gap,
    GapReason,
    Occurrence,
    Report,
)
from lockgate.wire.transfer import Decision, HoldReason, Receipt, Transfer, Verdict, hold

ENGINE = EngineInfo(version="test", rule_pack="test", profile="standard", searches=("marker",))
PLACE = (Occurrence("marker", 0, 6),)
SLOW_S = 1.0


def report_on(content: bytes, path: str = "") -> Report:
    """The report of a scan that knows only markers."""
    classes = {b"SECRET": FindingClass.PROTECTED, b"PRIVATE": FindingClass.PRIVATE}
    findings = tuple(
        Finding(FindingKind.PRIVATE_KEY, found, "rsa", 2048, f"sha256:{mark.decode()}", (), PLACE)
        for mark, found in classes.items()
        if mark in content
    )
    marks = {b"UNSURE": GapReason.UNDECIDED, b"LOST": GapReason.WORKER_LOST}
    gaps = tuple(Gap(reason) for mark, reason in marks.items() if mark in content)
    digest = hashlib.sha256(content).hexdigest()
    return Report(path, digest, len(content), findings, gaps, len(content), 0.0, ENGINE)


def decision_on(report: Report, *, independent: bool = True) -> Decision:
    """The decision that markers stand for."""
    classes = {finding.class_ for finding in report.findings}
    if FindingClass.PROTECTED in classes:
        verdict = Verdict.QUARANTINE
    elif FindingClass.PRIVATE in classes:
        verdict = Verdict.BLOCK
    elif report.gaps:
        return hold(HoldReason.GAP, policy_digest="test")
    else:
        verdict = Verdict.ALLOW
    return Decision(
        verdict=verdict,
        rule="marker",
        policy_digest="test",
        opener_independent=independent,
        cache_until=datetime.now(UTC) + timedelta(hours=1),
    )


class FakeWorkers:
    """Scans in threads."""

    def __init__(self) -> None:
        self._ready = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._done: list[tuple[int, Report]] = []
        self.submitted: list[str] = []
        self.expected_s = 0.0

    def filenos(self) -> list[int]:
        """One eventfd."""
        return [self._ready]

    def submit(
        self,
        job: int,
        fd: int,
        path: str,
        timeout_s: float,
        *,
        zone: str = "",
        background: bool = False,
    ) -> None:
        """Scan in a thread."""
        self.submitted.append(path)
        try:
            copy = os.dup(fd)
        except OSError:  # a worker that cannot have the file is lost
            self._report(job, report_on(b"LOST", path))
            return
        threading.Thread(target=self._scan, args=(job, copy, path), daemon=True).start()

    def _scan(self, job: int, fd: int, path: str) -> None:
        content = b""
        while block := os.pread(fd, 1 << 20, len(content)):
            content += block
        if b"NEVER" in content:
            return
        if b"SLOW" in content:
            time.sleep(SLOW_S)
        os.close(fd)
        self._report(job, report_on(content, path))

    def _report(self, job: int, report: Report) -> None:
        self._done.append((job, report))
        os.eventfd_write(self._ready, 1)

    def estimate_s(self, size: int, zone: str = "") -> float:
        """What a test says a scan takes, whatever its size."""
        return self.expected_s

    def progress(self, job: int) -> Progress | None:
        """Nothing is known of running scans."""
        return None

    def collect(self) -> list[tuple[int, Report]]:
        """Finished scans."""
        try:
            os.eventfd_read(self._ready)
        except BlockingIOError:
            return []
        done = []
        while self._done:
            done.append(self._done.pop(0))
        return done

    def hasten(self, job: int) -> None:
        """Nothing to do: every job has a thread of its own."""

    def cancel(self, job: int) -> None:
        """Nothing to do: a late report is ignored."""

    def close(self) -> None:
        """Close the eventfd."""
        os.close(self._ready)


class FakeDecider:
    """Decides at once by the report; keeps receipts in memory, or as lines in a file."""

    def __init__(self, receipts: str | None = None, *, independent: bool = True) -> None:
        self._ready = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._decisions: list[tuple[int, Decision]] = []
        self._independent = independent
        self._file = open(receipts, "a", buffering=1) if receipts else None  # noqa: SIM115
        self.receipts: list[Receipt] = []
        self.transfers: list[Transfer] = []

    def fileno(self) -> int:
        """The eventfd."""
        return self._ready

    def request(self, job: int, transfer: Transfer, report: Report) -> None:
        """Decide at once."""
        self.transfers.append(transfer)
        self._decisions.append((job, decision_on(report, independent=self._independent)))
        os.eventfd_write(self._ready, 1)

    def collect(self) -> list[tuple[int, Decision]]:
        """Decisions made."""
        with suppress(BlockingIOError):  # asked although nothing waits
            os.eventfd_read(self._ready)
        done, self._decisions = self._decisions, []
        return done

    def record(self, receipt: Receipt) -> None:
        """Keep a receipt."""
        self.receipts.append(receipt)
        if self._file:
            opener = receipt.opener
            self._file.write(
                f"{receipt.enforcement}\t{receipt.verdict}\t{receipt.hold_reason}\t"
                f"{receipt.errno_value}\t{receipt.path}\t{receipt.quarantine_id}\t"
                f"{opener.executable if opener else ''}\n"
            )

    def close(self) -> None:
        """Close the eventfd."""
        os.close(self._ready)
