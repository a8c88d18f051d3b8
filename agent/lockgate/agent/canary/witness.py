"""What is decided about canaries, seen from beside the guard.

Rules enforced here:

1. Everything passes unchanged; the guard cannot tell that somebody looks on.
2. A file is known by device and inode, and only files in which a canary was found are kept,
   a bounded number of them.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import replace
from typing import TypeVar

from lockgate.agent.canary.proof import Seen
from lockgate.agent.ports import Decider
from lockgate.scan.report import Report
from lockgate.wire.transfer import Decision, Receipt, Transfer

K = TypeVar("K")
V = TypeVar("V")

_MOST = 256


class Witness:
    """A :class:`lockgate.agent.ports.Decider` that looks on at another."""

    def __init__(self, decider: Decider, fingerprints: Collection[str]) -> None:
        self._decider = decider
        self._fingerprints = frozenset(fingerprints)
        self._lock = threading.Lock()
        self._seen: OrderedDict[tuple[int, int], Seen] = OrderedDict()
        self._asked: OrderedDict[int, tuple[int, int]] = OrderedDict()

    def seen(self) -> dict[tuple[int, int], Seen]:
        """The files in which canaries were found, by device and inode."""
        with self._lock:
            return dict(self._seen)

    def fileno(self) -> int:
        """See :class:`lockgate.agent.ports.Decider`."""
        return self._decider.fileno()

    def request(self, job: int, transfer: Transfer, report: Report) -> None:
        """Pass the question on; remember it when it is about a canary."""
        found = self._fingerprints.intersection(f.fingerprint for f in report.findings)
        if found:
            file = (transfer.identity.device, transfer.identity.inode)
            with self._lock:
                _keep(self._seen, file, Seen(found))
                _keep(self._asked, job, file)
        self._decider.request(job, transfer, report)

    def collect(self) -> list[tuple[int, Decision]]:
        """Pass the answers on; remember those about canaries."""
        decided = self._decider.collect()
        with self._lock:
            for job, decision in decided:
                file = self._asked.pop(job, None)
                if file is not None and file in self._seen:
                    self._seen[file] = replace(self._seen[file], decision=decision)
        return decided

    def record(self, receipt: Receipt) -> None:
        """See :class:`lockgate.agent.ports.Decider`."""
        self._decider.record(receipt)

    def close(self) -> None:
        """See :class:`lockgate.agent.ports.Decider`."""
        self._decider.close()


def _keep(table: OrderedDict[K, V], key: K, value: V) -> None:
    table[key] = value
    table.move_to_end(key)
    if len(table) > _MOST:
        table.popitem(last=False)
