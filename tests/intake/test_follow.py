"""Scanning behind a writer: what grows under a lock is whole when the lock is gone."""

from __future__ import annotations

import hashlib
import os
import threading
import time

from cores import an_entry

from lockgate.agent.intake.store import Store
from lockgate.formats.scanner import standard_scanner
from lockgate.scan.registry import Registry
from lockgate.scan.report import GapReason, Outcome
from lockgate.scan.source import growing_chunks


def test_a_reader_behind_the_writer_gets_every_byte_once(store: Store) -> None:
    """Also what comes in small pieces and with holes between."""
    content = b"".join(os.urandom(5000) + bytes(70_000) for _ in range(40))
    entry = an_entry()
    incoming = store.begin(entry)
    reader = store.open_dump(entry)

    def write() -> None:
        for start in range(0, len(content), 50_000):
            incoming.append(memoryview(content[start : start + 50_000]))
            time.sleep(0.002)
        store.seal(entry, incoming)

    writer = threading.Thread(target=write)
    writer.start()
    read = b"".join(growing_chunks(reader))
    writer.join()
    os.close(reader)
    assert read == content


def test_a_writer_that_dies_ends_the_file(store: Store) -> None:
    """Its lock goes with it, and nobody waits for ever."""
    entry = an_entry()
    incoming = store.begin(entry)
    incoming.append(memoryview(b"half"))
    reader = store.open_dump(entry)
    threading.Timer(0.1, incoming.close).start()
    assert b"".join(growing_chunks(reader)) == b"half"
    os.close(reader)


def test_a_scan_that_follows_is_of_the_whole_file(store: Store) -> None:
    """Digest and size are those of the sealed dump, and nothing counts as changed."""
    content = os.urandom(3 << 20)
    entry = an_entry()
    incoming = store.begin(entry)
    reader = store.open_dump(entry)
    incoming.append(memoryview(content[:100_000]))

    def write() -> None:
        time.sleep(0.3)
        incoming.append(memoryview(content[100_000:]))
        store.seal(entry, incoming)

    writer = threading.Thread(target=write)
    writer.start()
    report = standard_scanner(Registry()).scan_fd(reader, "dump", follow=True)
    writer.join()
    os.close(reader)
    assert report.outcome is Outcome.CLEAN
    assert report.size == len(content)
    assert report.sha256 == hashlib.sha256(content).hexdigest()


def test_without_following_a_growing_file_is_never_clean(store: Store) -> None:
    """A scan of a part is a gap."""
    entry = an_entry()
    incoming = store.begin(entry)
    reader = store.open_dump(entry)
    incoming.append(memoryview(os.urandom(2 << 20)))
    scanner = standard_scanner(Registry())
    scanned = threading.Event()

    def write() -> None:
        while not scanned.wait(0.01):
            incoming.append(memoryview(b"more"))

    writer = threading.Thread(target=write)
    writer.start()
    report = scanner.scan_fd(reader, "dump")
    scanned.set()
    writer.join()
    incoming.close()
    os.close(reader)
    assert GapReason.CHANGED in {gap.reason for gap in report.gaps}
