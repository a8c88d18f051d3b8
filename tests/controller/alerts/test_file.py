"""The file sink: fsynced lines, torn lines, no line twice."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.controller.alerts import file as module
from lockgate.controller.alerts.file import FileSink
from lockgate.controller.alerts.outbox import Alert
from lockgate.controller.alerts.sink import UnreachableError


def alert(number, pad=""):
    """An alert with a short uid."""
    uid = f"uid-{number}"
    return Alert(number, uid, json.dumps({"metadata": {"uid": uid}, "pad": pad}))


def uids(path):
    """The uids in the file, in order."""
    return [json.loads(line)["metadata"]["uid"] for line in path.read_text().splitlines()]


def test_alerts_are_lines_in_order(tmp_path):
    """Two batches give one line each, in order, readable by the owner's group only."""
    path = tmp_path / "alerts.jsonl"
    sink = FileSink(path)
    sink.deliver([alert(1), alert(2)])
    sink.deliver([alert(3)])
    assert uids(path) == ["uid-1", "uid-2", "uid-3"]
    assert path.stat().st_mode & 0o007 == 0


def test_every_batch_is_fsynced_before_it_counts(tmp_path, monkeypatch):
    """deliver() does not return before fsync of the file has."""
    synced = []
    real = os.fsync
    monkeypatch.setattr(module.os, "fsync", lambda fd: (synced.append(fd), real(fd)))
    FileSink(tmp_path / "a").deliver([alert(1)])
    assert len(synced) == 2  # the file, and the folder that got a new entry


@given(cut=st.integers(min_value=1, max_value=400), pads=st.lists(st.text(max_size=40), max_size=6))
def test_a_crash_at_any_byte_loses_and_doubles_nothing(tmp_path_factory, cut, pads):
    """After a cut anywhere in the last batch, delivering it again gives every line once."""
    path = tmp_path_factory.mktemp("torn") / "a"
    sink = FileSink(path)
    first, batch = [alert(0)], [alert(n + 1, pad) for n, pad in enumerate(pads)]
    sink.deliver(first)
    acknowledged = path.stat().st_size
    sink.deliver(batch)
    os.truncate(path, max(acknowledged, path.stat().st_size - cut))
    sink.deliver(batch)
    assert uids(path) == [a.uid for a in first + batch]


def test_a_long_last_line_is_found(tmp_path):
    """The last line may be longer than one block of reading."""
    path = tmp_path / "a"
    batch = [alert(1, "x" * 200_000), alert(2, "y" * 300_000)]
    FileSink(path).deliver(batch)
    FileSink(path).deliver(batch)
    assert uids(path) == ["uid-1", "uid-2"]


def test_a_rotated_file_is_started_again(tmp_path):
    """Renaming the file away makes the next batch start a new one."""
    path = tmp_path / "a"
    sink = FileSink(path)
    sink.deliver([alert(1)])
    path.rename(tmp_path / "a.1")
    sink.deliver([alert(2)])
    assert uids(path) == ["uid-2"]


def test_a_file_system_that_refuses_is_unreachable(tmp_path):
    """A missing folder or a symbolic link is not written to and not delivered."""
    with pytest.raises(UnreachableError):
        FileSink(tmp_path / "gone" / "a").deliver([alert(1)])
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnreachableError):
        FileSink(tmp_path / "link").deliver([alert(1)])


def test_a_full_disk_leaves_no_half_line(tmp_path, monkeypatch):
    """What was half written before the error is cut off at once."""
    path = tmp_path / "a"
    FileSink(path).deliver([alert(1)])
    before = path.read_bytes()

    def short(fd, view, offset):
        if offset > len(before):
            raise OSError(28, "No space left on device")
        return os.write(os.dup(fd), b"") or real(fd, view[:5], offset)

    real = os.pwrite
    monkeypatch.setattr(module.os, "pwrite", short)
    with pytest.raises(UnreachableError, match="No space"):
        FileSink(path).deliver([alert(2)])
    assert path.read_bytes() == before
