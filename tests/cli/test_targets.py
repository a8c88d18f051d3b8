"""Which files a path means, and what becomes of those that cannot be opened."""

from __future__ import annotations

import io
import os

import pytest

from lockgate.cli.targets import files_under, scan_path, scan_stream
from lockgate.formats.scanner import standard_scanner
from lockgate.scan.report import GapReason


@pytest.fixture(scope="module")
def scanner():
    """The scanner as it is shipped."""
    return standard_scanner()


def test_folder_is_walked_in_order_without_links(tmp_path):
    """Names decide the order; links to files and folders are left alone."""
    for name in ("b/2", "b/1", "a/z", "c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)

    found = [os.fsdecode(p) for p in files_under(os.fsencode(tmp_path))]

    assert found == [str(tmp_path / name) for name in ("a/z", "b/1", "b/2", "c")]


@pytest.mark.parametrize("error", [PermissionError(13, "denied"), FileNotFoundError(2, "gone")])
def test_file_that_cannot_be_opened_is_a_gap(error, scanner, tmp_path, monkeypatch):
    """A refused or vanished file is a report without a digest."""
    path = tmp_path / "file"
    path.write_text("x")

    def refuse(*_args):
        raise error

    monkeypatch.setattr(os, "open", refuse)
    report = scan_path(scanner, os.fsencode(path), None)

    assert report.sha256 is None
    assert [g.reason for g in report.gaps] == [GapReason.UNREADABLE]


def test_folder_that_cannot_be_listed_is_a_gap(scanner, tmp_path, monkeypatch):
    """A folder that refuses to be listed is not passed over."""

    def refuse(*_args):
        raise PermissionError(13, "denied")

    monkeypatch.setattr(os, "scandir", refuse)
    (path,) = files_under(os.fsencode(tmp_path))

    assert scan_path(scanner, path, None).gaps


def test_stream_that_breaks_is_a_gap(scanner):
    """An error on standard input is reported, not raised."""

    class Broken(io.RawIOBase):
        """A stream whose reads fail."""

        def readable(self) -> bool:
            return True

        def read(self, _size: int = -1) -> bytes:
            raise OSError(5, "Input/output error")

    report = scan_stream(scanner, Broken(), None)

    assert [g.reason for g in report.gaps] == [GapReason.UNREADABLE]
