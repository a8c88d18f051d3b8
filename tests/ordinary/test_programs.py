"""The programs of an ordinary day work in a guarded zone as they do without one."""

from __future__ import annotations

import errno
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from .conftest import LOCKGATE, Host

pytestmark = pytest.mark.root

OPENINGS = Path(__file__).with_name("openings.py")
C_FILE = """#include "shared.h"
int function_{n}(int x) {{ return SHARED * x + {n}; }}
"""
MAKEFILE = """objects = $(patsubst %.c,%.o,$(wildcard part*.c))
program: main.o libparts.a
\tgcc -o $@ main.o -L. -lparts
libparts.a: $(objects)
\tar rcs $@ $^
%.o: %.c shared.h
\tgcc -c -o $@ $<
"""


def test_editors_write_in_place_and_by_rename(host: Host, place: Path) -> None:
    """vim, sed -i, python in place, and a write to a new file that takes the old one's name."""
    file = place / "notes"
    file.write_text("one\ntwo\n")
    for number in range(5):
        host.sh(f"vim -u NONE -N -es -c '%s/two/two{number}/' -c wq {file}")
        host.sh(f"sed -i 's/two{number}/two/' {file}")
        with file.open("r+") as opened:
            content = opened.read()
            opened.seek(0)
            opened.write(content.replace("one", "uno"))
        fresh = place / "fresh"
        fresh.write_text(file.read_text().replace("uno", "one"))
        fresh.rename(file)
    assert file.read_text() == "one\ntwo\n"


@pytest.mark.parametrize("way", ["create", "copytruncate"])
def test_logs_are_rotated_while_they_are_written(host: Host, place: Path, way: str) -> None:
    """Logrotate moves or cuts a log that its writer has open.

    To copy a live log (copytruncate) it must read it, which is refused until its writer
    closes: such a log is rotated by renaming.
    """
    log = place / f"{way}.log"
    signal_file = host.outside / f"{way}.pid"
    script = f"postrotate\nkill -HUP $(cat {signal_file})\nendscript" if way == "create" else ""
    outside = host.outside / f"{way}.conf"
    outside.write_text(f"{log} {{\nrotate 3\n{way}\nsu root root\n{script}\n}}\n")
    writer = subprocess.Popen([sys.executable, "-c", LOGGER, str(log), str(signal_file)])
    try:
        wait_for_lines(log, 5)
        command = ["logrotate", "-f", "-s", host.outside / f"{way}.state", outside]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if way == "create":
            assert done.returncode == 0, done.stderr
            wait_for_lines(log, 5)
        else:
            assert done.returncode != 0
            assert os.strerror(errno.EBUSY) in done.stderr
    finally:
        writer.send_signal(signal.SIGTERM)
        writer.wait(20)
    parts = sorted(place.glob(f"{way}.log*"), reverse=True)
    numbers = [int(number) for part in parts for number in part.read_text().split()]
    assert numbers == list(range(len(numbers)))


LOGGER = """
import os, signal, sys, time
path, pid = sys.argv[1:]
again = [True]
signal.signal(signal.SIGHUP, lambda *_: again.append(True))
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
open(pid, "w").write(str(os.getpid()))
number = 0
while True:
    if again:
        again.clear()
        log = open(path, "a", buffering=1)
    log.write(f"{number}\\n")
    number += 1
    time.sleep(0.02)
"""


def wait_for_lines(log: Path, count: int) -> None:
    """Wait until a log has some lines; its size is all that is looked at."""
    wait_for_size(log, 2 * count)


def wait_for_size(log: Path, size: int) -> None:
    """Wait until a log has so many bytes."""
    end = time.monotonic() + 20
    while not log.exists() or log.stat().st_size < size:
        assert time.monotonic() < end
        time.sleep(0.05)


def wait_until_closed(pid: int, path: Path) -> None:
    """Wait until a process has a file open no more."""
    end = time.monotonic() + 20
    while True:
        links = []
        for name in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208 - names only
            with suppress(OSError):
                links.append(os.readlink(f"/proc/{pid}/fd/{name}"))  # noqa: PTH115
        if str(path) not in links:
            return
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_syslog_daemon_writes_and_reopens(host: Host, place: Path) -> None:
    """Rsyslog writes on while its log is rotated, and loses nothing."""
    log, settings = place / "syslog", host.outside / "rsyslog.conf"
    socket = host.outside / "log.sock"
    settings.write_text(
        f'module(load="imuxsock" SysSock.Use="off")\ninput(type="imuxsock" Socket="{socket}")\n'
        f'template(name="plain" type="string" string="%msg%\\n")\n*.* action(type="omfile" '
        f'file="{log}" template="plain")\n'
    )
    daemon = subprocess.Popen(
        ["rsyslogd", "-n", "-f", settings, "-i", host.outside / "rsyslog.pid"],
        stderr=subprocess.DEVNULL,
    )
    try:
        size = sum(len(f" message {number}\n") for number in range(1, 101))
        say = f"for n in $(seq 100); do logger -u {socket} -t test message $n; done"
        end = time.monotonic() + 20
        while not socket.exists():
            assert time.monotonic() < end
            time.sleep(0.05)
        host.sh(say)
        wait_for_size(log, size)
        log.rename(place / "syslog.1")
        daemon.send_signal(signal.SIGHUP)
        wait_until_closed(daemon.pid, place / "syslog.1")
        host.sh(say)
        wait_for_size(log, size)
    finally:
        daemon.terminate()
        daemon.wait(20)
    lines = (place / "syslog.1").read_text() + log.read_text()
    assert lines.count("message") == 200


def test_a_compiler_builds_and_builds_again(host: Host, place: Path) -> None:
    """gcc, ar, ld and make, in parallel, and a second build after a change."""
    (place / "shared.h").write_text("#define SHARED 3\n")
    for number in range(20):
        (place / f"part{number}.c").write_text(C_FILE.format(n=number))
    calls = " + ".join(f"function_{n}(1)" for n in range(20))
    externs = "".join(f"int function_{n}(int);\n" for n in range(20))
    (place / "main.c").write_text(
        f'#include <stdio.h>\n{externs}int main(void) {{ printf("%d\\n", {calls}); return 0; }}\n'
    )
    (place / "Makefile").write_text(MAKEFILE)
    assert host.sh(f"cd {place}; make -s -j4; ./program").strip() == "250"
    (place / "shared.h").write_text("#define SHARED 4\n")
    assert host.sh(f"cd {place}; make -s -j4; ./program").strip() == "270"


def test_git_keeps_a_history(host: Host, place: Path) -> None:
    """init, commit, branch, checkout, merge, gc and fsck."""
    git = "git -c user.name=a -c user.email=a@example.org -c init.defaultBranch=main"
    host.sh(
        f"cd {place}; {git} init -q .; for n in $(seq 30); do echo file $n > f$n; done; "
        f"{git} add .; {git} commit -q -m one; {git} checkout -q -b other; "
        f"for n in $(seq 10); do echo more >> f$n; done; {git} commit -q -a -m two; "
        f"{git} checkout -q main; echo own > f30; {git} commit -q -a -m three; "
        f"{git} merge -q -m merged other; {git} gc -q; {git} fsck --strict; {git} checkout -q other"
    )
    assert host.sh(f"cd {place}; {git} status --porcelain") == ""
    assert (place / "f1").read_text() == "file 1\nmore\n"


def test_a_database_in_use_goes_on(host: Host, place: Path) -> None:
    """Sqlite with a write-ahead log and a mapped database; a second process joins and writes."""
    file = place / "data.db"
    first = sqlite3.connect(file, timeout=30, isolation_level=None)
    mode = first.execute("pragma journal_mode=wal").fetchone()
    first.execute("pragma mmap_size=1048576")
    first.execute("create table t (n integer)")
    assert mode == ("wal",)
    first.executemany("insert into t values (?)", [(n,) for n in range(100)])
    first.execute("pragma wal_checkpoint(truncate)")
    assert first.execute("select count(*) from t").fetchone() == (100,)
    first.close()
    second = host.sh(f"sqlite3 {file} 'insert into t values (1); select count(*) from t'")
    assert second.split()[-1] == "101"


def test_a_database_in_use_is_not_shared_with_newcomers(host: Host, place: Path) -> None:
    """While one process has a database open to write, another's open to read and write is EBUSY."""
    file = place / "busy.db"
    with sqlite3.connect(file, isolation_level=None) as first:
        first.execute("create table t (n integer)")
        first.execute("insert into t values (1)")
        with pytest.raises(OSError) as raised:
            os.close(os.open(file, os.O_RDWR))
        assert raised.value.errno == errno.EBUSY
        first.execute("insert into t values (2)")
    first.close()
    assert host.sh(f"sqlite3 {file} 'select count(*) from t'").strip() == "2"


def test_a_backup_walks_the_zone(host: Host, place: Path) -> None:
    """Tar and rsync take everything that nobody writes; a live file is named and left out."""
    for number in range(50):
        folder = place / f"d{number % 5}"
        folder.mkdir(exist_ok=True)
        (folder / f"f{number}").write_text(f"content {number}\n" * 100)
    host.sh(f"tar -cf {host.outside}/all.tar -C {place} .; rsync -a {place}/ {host.outside}/rsync/")
    listed = host.sh(f"tar -tf {host.outside}/all.tar")
    assert sum(not line.endswith("/") for line in listed.splitlines()) == 50
    host.sh(f"diff -r {place} {host.outside}/rsync")
    with (place / "live").open("w") as live:
        live.write("being written\n")
        live.flush()
        command = ["rsync", "-a", f"{place}/", f"{host.outside}/rsync/"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 23
        assert "live" in done.stderr
        assert os.strerror(errno.EBUSY) in done.stderr


def test_a_log_shipper_needs_the_released_copy(host: Host, place: Path) -> None:
    """Tail -F cannot open a live log; on the followed copy it gets every line exactly once."""
    log, copy = place / "live.log", host.outside / "shipped.log"
    with log.open("w", buffering=1) as writer:
        writer.write("0\n")
        direct = subprocess.run(
            ["timeout", "2", "tail", "-F", log], capture_output=True, text=True, check=False
        )
        assert direct.stdout == ""
        assert os.strerror(errno.EBUSY) in direct.stderr
        words = ["--follow", "--to", copy, "--interval", "0.2", *host.run_dir]
        follower = subprocess.Popen([LOCKGATE, "agent", "release", log, *words])
        tail = subprocess.Popen(
            ["tail", "-n", "+1", "-F", copy],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            assert tail.stdout
            for number in range(1, 100):
                writer.write(f"{number}\n")
                time.sleep(0.02)
            shipped = [int(tail.stdout.readline()) for _ in range(100)]
        finally:
            for process in (follower, tail):
                process.send_signal(signal.SIGINT)
                process.wait(20)
    assert shipped == list(range(100))


def test_clean_files_open_while_others_work(host: Host, place: Path) -> None:
    """Beside builds, edits and backups, of a thousand opens of clean files at most one fails."""
    for number in range(200):
        (place / f"f{number}").write_text(f"content {number}\n")
    subprocess.run([sys.executable, OPENINGS, place, "2"], check=True, capture_output=True)
    opener = subprocess.Popen(
        [sys.executable, OPENINGS, place, "10"], stdout=subprocess.PIPE, text=True
    )
    work = host.zone / "beside"
    while opener.poll() is None:
        host.sh(
            f"rm -rf {work}; mkdir {work}; cd {work}; git init -q .; for n in $(seq 20); do "
            'echo "int f$n(void) { return 1; }" > f$n.c; gcc -c f$n.c; done; git add .; '
            "sed -i s/1/2/ f1.c; cp -r . ../beside-copy; tar -cf all.tar *.c; rm -rf ../beside-copy"
        )
    assert opener.stdout
    seen = json.loads(opener.stdout.read())
    print(f"\nopens of clean files: {seen}")
    assert seen["opens"] > 1000
    assert sum(seen["failed"].values()) <= seen["opens"] / 1000


#: What the guard says when it refuses; every other error is the program's own affair.
REFUSALS = ("EBUSY", "EAGAIN", "EPERM")
WORK = """
git init -q . ; for n in $(seq 12); do echo "int f$n(void) { return $n; }" > f$n.c; done
for round in 1 2 3; do
  for n in $(seq 12); do gcc -c f$n.c; done
  ar rcs lib.a *.o; git add . ; git -c user.name=a -c user.email=a@example.org commit -q -m $round
  sed -i "s/return/return $round +/" f*.c
  python3 -c 'import sys
for name in sys.argv[1:]:
    with open(name, "r+") as file: text = file.read(); file.seek(0); file.write(text)' f*.c
  tar -cf $PWD.tar . ; rsync -a ./ $PWD.copy/ ; grep -r return . >/dev/null
  rm *.o
done
"""


def test_of_the_opens_of_ordinary_work_hardly_any_fails(host: Host, place: Path) -> None:
    """Two workers edit, build, commit and back up: of all their opens at most 0.1 % is refused."""
    traces = [host.outside / f"trace{n}" for n in range(2)]
    workers = []
    for number, trace in enumerate(traces):
        folder = place / str(number)
        folder.mkdir()
        command = ["strace", "-f", "-qq", "-e", "trace=open,openat,creat", "-o", trace]
        workers.append(subprocess.Popen([*command, "sh", "-ec", WORK], cwd=folder))
    assert [worker.wait(200) for worker in workers] == [0, 0]
    lines = [line for trace in traces for line in trace.read_text().splitlines()]
    inside = [line for line in lines if '"/' not in line or str(host.zone) in line]
    opens = sum(" = " in line and "ENOENT" not in line for line in inside)
    refused = [line for line in inside if any(f" {name} " in line for name in REFUSALS)]
    print(f"\nopens in the zone: {opens}, refused: {len(refused)}")
    assert opens > 2000
    assert len(refused) <= opens / 1000, refused[:5]
