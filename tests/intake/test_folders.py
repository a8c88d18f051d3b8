"""Dumps of systemd-coredump and Apport: each file once, with what its collector says of it."""

from __future__ import annotations

import os
import time
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from lockgate.agent.config import ZoneSettings
from lockgate.agent.intake.entry import State
from lockgate.agent.intake.folders import Folders, of_apport, of_systemd, parse_fields
from lockgate.agent.intake.store import Store

NAME = "core.my\\x20app.1000.0123456789abcdef0123456789abcdef.4242.1700000000000000.zst"


def an_old_file(path: Path, content: bytes = b"dump") -> None:
    """A file that nobody writes any more."""
    path.write_bytes(content)
    old = time.time() - 60
    os.utime(path, (old, old))


def test_each_file_gets_one_entry(store: Store, base: Path) -> None:
    """Also for the next agent; a changed one counts as new, an unfinished one waits."""
    folder = base / "coredump"
    folder.mkdir()
    an_old_file(folder / NAME)
    (folder / "core.growing").write_bytes(b"half")
    (folder / "link").symlink_to("/etc/passwd")
    there = Folders([folder, base / "missing"], store, [])
    there.look()
    there.look()
    Folders([folder], store, []).look()
    (entry,) = store.all()
    assert (entry.state, entry.path, entry.size) == (State.ELSEWHERE, str(folder / NAME), 4)
    an_old_file(folder / NAME, b"another")
    there.look()
    assert len(list(store.all())) == 2


def test_a_guarded_folder_is_left_to_the_guard(store: Store, base: Path) -> None:
    """Opening a file there would wait for ourselves."""
    folder = base / "coredump"
    folder.mkdir()
    an_old_file(folder / NAME)
    Folders([folder], store, [ZoneSettings(base)]).look()
    assert not list(store.all())


def test_attributes_count_before_the_name() -> None:
    """The name alone tells who crashed, and when."""
    told = of_systemd(NAME, {}, 0.0)
    assert (told.crash.opener.pid, told.crash.opener.uid) == (4242, 1000)
    assert told.time.startswith("2023-11-14T22:13:20")
    said = {"pid": "7", "exe": "/usr/bin/app", "signal": "11", "comm": "app"}
    told = of_systemd(NAME, said, 0.0)
    assert (told.crash.opener.pid, told.crash.signal) == (7, 11)
    assert told.crash.opener.executable == "/usr/bin/app"


def test_a_report_of_apport_tells_who_crashed() -> None:
    """Its fields end where the dump begins."""
    text = (
        "ProblemType: Crash\nExecutablePath: /usr/bin/app\nSignal: 6\nProcCmdline: app --now\n"
        "ProcStatus:\n Name:\tapp\n Pid:\t4242\n Uid:\t1000\t1000\t1000\t1000\n"
        "CoreDump: base64\n H4sI\nSignal: 99\n"
    )
    crash = of_apport(parse_fields(text), 0.0).crash
    assert (crash.opener.pid, crash.opener.uid, crash.signal) == (4242, 1000, 6)
    assert (crash.name, crash.opener.command) == ("app", "app --now")


@given(
    st.text(),
    st.dictionaries(
        st.sampled_from(["pid", "uid", "gid", "signal", "timestamp"]),
        st.text() | st.integers(0).map(str) | st.just("9" * 5000),
    ),
)
def test_whatever_a_collector_says_is_bounded_text(text: str, said: dict[str, str]) -> None:
    """No claim of another program is an error here."""
    assert of_systemd(text, said, 0.0).time
    assert of_apport(parse_fields(text), 0.0).time
