"""A folder becomes a filesystem of its own, and a folder again, whatever dies in between."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from lockgate.agent.cli.app import app
from lockgate.agent.zone_image import checks, fstab, making, tools
from lockgate.agent.zone_image.checks import Filesystem, ZoneImageError
from lockgate.agent.zone_image.making import create
from lockgate.agent.zone_image.mounting import is_mounted
from lockgate.agent.zone_image.record import Records, Step, ZoneImage
from lockgate.agent.zone_image.undoing import undo

root = pytest.mark.root
TABLE = "# what is mounted\n/dev/none /none ext4 noauto 0 0\n"
SIZE = 24 << 20
#: Exit status of a process that a test stopped in the middle.
KILLED = 9


@dataclass
class Host:
    """A folder with content, a table of mounts, and an agent's records."""

    base: Path

    @property
    def folder(self) -> Path:
        """What becomes a filesystem."""
        return self.base / "var" / "crash dumps"

    @property
    def table(self) -> Path:
        """The fstab."""
        return self.base / "fstab"

    @property
    def records(self) -> Records:
        """The records."""
        return Records.of(self.base / "state")

    def wanted(self, kind: Filesystem = Filesystem.EXT4, size: int = SIZE) -> ZoneImage:
        """What is to be made."""
        return self.records.new(self.folder, size, kind, None, self.table)

    def leftovers(self) -> list[str]:
        """What a complete undo leaves: nothing."""
        found = [path.name for path in self.records.folder.glob("*")]
        found += [str(point) for point, _ in tools.mounts() if point.is_relative_to(self.base)]
        return found + ([] if self.table.read_text() == TABLE else ["fstab"])


@pytest.fixture
def host() -> Iterator[Host]:
    """One with every sort of content; nothing stays mounted after the test."""
    with tempfile.TemporaryDirectory(prefix="lockgate-h-") as base:
        made = Host(Path(base))
        made.table.write_text(TABLE)
        _write_content(made.folder)
        try:
            yield made
        finally:
            while points := [p for p, _ in tools.mounts() if p.is_relative_to(made.base)]:
                subprocess.run(["umount", "-l", points[0]], check=True)


def _write_content(folder: Path) -> None:
    (folder / "sub").mkdir(parents=True)
    folder.chmod(0o1777)
    os.chown(folder, 1234, 4321)
    core = folder / "sub" / "core"
    core.write_bytes(os.urandom(300_000))
    core.chmod(0o640)
    os.chown(core, 4711, 815)
    os.setxattr(core, "user.why", b"SIGSEGV")
    os.utime(core, ns=(1_600_000_000_123_456_789, 1_500_000_000_987_654_321))
    (folder / "hard").hardlink_to(core)
    (folder / "link").symlink_to("sub/core")
    os.mkfifo(folder / "pipe", 0o600)
    with (folder / "sparse").open("wb") as sparse:
        sparse.truncate(1 << 20)
    os.utime(folder, ns=(1_400_000_000_000_000_001,) * 2)


def content(folder: Path) -> dict[str, tuple[object, ...]]:
    """All that can be told of everything in a folder, and of the folder."""
    return {
        str(path.relative_to(folder)): _facts(path)
        for path in (folder, *sorted(folder.rglob("*")))
        if path.name != "lost+found"
    }


def _facts(path: Path) -> tuple[object, ...]:
    status = path.lstat()
    plain = stat.S_ISREG(status.st_mode)
    return (
        *(status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns),
        (status.st_nlink, path.read_bytes()) if plain else None,
        str(path.readlink()) if path.is_symlink() else None,
        [(n, os.getxattr(path, n)) for n in os.listxattr(path, follow_symlinks=False)],
    )


@root
@pytest.mark.parametrize(
    ("kind", "size"),
    [(Filesystem.EXT4, SIZE), (Filesystem.XFS, 304 << 20), (Filesystem.BTRFS, 140 << 20)],
)
def test_a_folder_becomes_a_filesystem_and_a_folder_again(
    host: Host, kind: Filesystem, size: int
) -> None:
    """Content, owners, modes, times, links and attributes are the same there and back."""
    before, device = content(host.folder), host.folder.stat().st_dev
    made = create(host.records, host.wanted(kind, size))
    assert content(host.folder) == before
    assert host.folder.stat().st_dev != device
    assert os.statvfs(host.folder).f_flag & (os.ST_NOSUID | os.ST_NODEV) == 6
    assert made.image.stat().st_blocks * 512 >= size
    (host.folder / "new").write_text("written into the zone")
    (host.folder / "sparse").unlink()
    wanted = content(host.folder)
    undo(host.records, host.folder)
    assert content(host.folder) == wanted
    assert host.folder.stat().st_dev == device
    assert host.leftovers() == []


@root
def test_the_entry_mounts_it_at_the_next_start(host: Host) -> None:
    """After a reboot, which has unmounted it, `mount -a` brings it back; so undo finds it."""
    before = content(host.folder)
    made = create(host.records, host.wanted())
    subprocess.run(["umount", host.folder], check=True)
    assert not is_mounted(made)
    subprocess.run(["mount", "-a", "-T", host.table], check=True)
    assert is_mounted(made)
    assert content(host.folder) == before


@root
def test_a_zone_that_is_not_mounted_is_undone_too(host: Host) -> None:
    """The content comes out of the image; what was written into the folder meanwhile stays."""
    before = content(host.folder)
    create(host.records, host.wanted())
    subprocess.run(["umount", host.folder], check=True)
    (host.folder / "meanwhile").write_text("after a start without the mount")
    undo(host.records, host.folder)
    after = content(host.folder)
    assert after.pop("meanwhile")
    del after["."], before["."]
    assert after == before
    assert host.leftovers() == []


@root
@pytest.mark.parametrize("keep_old", [False, True])
def test_the_old_content_goes_when_the_copy_is_good(host: Host, *, keep_old: bool) -> None:
    """Nothing guards what lies below the mount, so it does not stay there unasked."""
    create(host.records, host.wanted(), keep_old=keep_old)
    aside = host.base / "aside"
    aside.mkdir()
    subprocess.run(["mount", "--bind", host.folder.parent, aside], check=True)
    assert any((aside / host.folder.name).iterdir()) == keep_old


# -- killed in the middle --------------------------------------------------------------------


class _Killer:
    """Kills its process at the n-th time that something is about to be done, or was done."""

    def __init__(self, after: int) -> None:
        self._left = after

    def around(self, doing: Callable[..., object]) -> Callable[..., object]:
        """``doing`` with a chance to die before and after it."""

        def done(*words: object, **options: object) -> object:
            self._count()
            result = doing(*words, **options)
            self._count()
            return result

        return done

    def _count(self) -> None:
        self._left -= 1
        if self._left == 0:
            os._exit(KILLED)


def killed_after(points: int, work: Callable[[], object]) -> bool:
    """Whether a process that does ``work`` was killed before its end, at that point."""
    child = os.fork()
    if child == 0:
        killer = _Killer(points)
        for place, name in (
            (tools, "run"),
            (Records, "keep"),
            (Records, "remove"),
            (fstab, "replace"),
            (making, "_allocate"),
            (making, "_empty"),
        ):
            setattr(place, name, killer.around(getattr(place, name)))
        try:
            work()
        except BaseException as error:  # this process must not go on with the tests
            sys.stderr.write(f"{error!r}\n")
            os._exit(1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in {0, KILLED}, f"failed after {points} points"
    return status == KILLED


@root
def test_a_making_that_is_killed_anywhere_can_be_undone(host: Host) -> None:
    """Wherever it dies, undo gives back the folder, and nothing of it is left."""
    before = content(host.folder)
    steps = set()
    for points in count(1):
        if not killed_after(points, lambda: create(host.records, host.wanted())):
            break
        zone = host.records.find(host.folder)
        if zone is None:
            assert not (host.records.folder.exists() and any(host.records.folder.iterdir()))
        else:
            steps.add(zone.step)
            undo(host.records, host.folder)
        assert content(host.folder) == before, f"after {points} points"
        assert host.leftovers() == [], f"after {points} points"
    assert steps == {Step.BEGUN, Step.COPIED, Step.SWITCHED, Step.DONE}


@root
def test_an_undo_that_is_killed_anywhere_can_be_done_again(host: Host) -> None:
    """Wherever it dies, the next one ends it; nothing is lost on the way."""
    for points in count(1):
        create(host.records, host.wanted())
        before = content(host.folder)
        if not killed_after(points, lambda: undo(host.records, host.folder)):
            break
        if host.records.find(host.folder):
            undo(host.records, host.folder)
        assert content(host.folder) == before, f"after {points} points"
        assert host.leftovers() == [], f"after {points} points"
    assert points > 20


@root
@pytest.mark.parametrize("tool", ["mkfs.ext4", "rsync", "mount"])
def test_a_making_that_fails_leaves_nothing(
    host: Host, monkeypatch: pytest.MonkeyPatch, tool: str
) -> None:
    """An error is told after everything was put back."""
    before, run = content(host.folder), tools.run

    def failing(*words: str | Path, pass_fds: tuple[int, ...] = ()) -> str:
        wanted = str(words[0]) == tool and (tool != "mount" or "-T" in words)
        return run("false") if wanted else run(*words, pass_fds=pass_fds)

    monkeypatch.setattr(tools, "run", failing)
    with pytest.raises(tools.ToolError, match="false"):
        create(host.records, host.wanted())
    monkeypatch.undo()
    assert content(host.folder) == before
    assert host.leftovers() == []


@root
def test_what_came_in_the_last_moment_is_not_lost(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that was written between comparison and mount is in the zone."""
    run = tools.run

    def late(*words: str | Path, pass_fds: tuple[int, ...] = ()) -> str:
        if words[:2] == ("mount", "-T"):
            (host.folder / "late").write_text("just in time")
            os.chown(host.folder / "late", 77, 88)
        return run(*words, pass_fds=pass_fds)

    monkeypatch.setattr(tools, "run", late)
    create(host.records, host.wanted())
    assert (host.folder / "late").read_text() == "just in time"
    assert (host.folder / "late").stat().st_uid == 77


@root
def test_what_was_not_carried_over_stays_in_the_folder(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Undoing a making that failed right after the mount deletes nothing."""
    run, copy_tree = tools.run, tools.copy_tree

    def late(*words: str | Path, pass_fds: tuple[int, ...] = ()) -> str:
        if words[:2] == ("mount", "-T"):
            (host.folder / "late").write_text("just in time")
        return run(*words, pass_fds=pass_fds)

    def failing(source: Path, *words: object, **options: object) -> None:
        if "/proc/" in str(source):
            raise tools.ToolError("rsync: no space left")
        copy_tree(source, *words, **options)

    monkeypatch.setattr(tools, "run", late)
    monkeypatch.setattr(tools, "copy_tree", failing)
    with pytest.raises(tools.ToolError):
        create(host.records, host.wanted())
    assert (host.folder / "late").read_text() == "just in time"
    assert host.leftovers() == []


@root
def test_nobody_writes_while_content_goes_back(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer gets an error, and after a failed undo may write again."""
    create(host.records, host.wanted())
    seen: list[str] = []

    def full(*_: object) -> None:
        try:
            (host.folder / "new").write_text("x")
        except OSError as error:
            seen.append(error.strerror)
        raise tools.ToolError("rsync: no space left")

    monkeypatch.setattr(tools, "copy_tree", full)
    with pytest.raises(tools.ToolError):
        undo(host.records, host.folder)
    assert seen == ["Read-only file system"]
    (host.folder / "new").write_text("x")


# -- refusals --------------------------------------------------------------------------------


def refusal(host: Host, zone: ZoneImage) -> str:
    """Why it cannot be made; nothing was changed."""
    before = content(host.folder)
    with pytest.raises(ZoneImageError) as refused:
        create(host.records, zone)
    assert content(host.folder) == before
    assert host.leftovers() == []
    return str(refused.value)


@root
def test_a_size_that_cannot_be_is_refused(host: Host) -> None:
    """Too small for the filesystem, and too large for the disk."""
    assert "are too small" in refusal(host, host.wanted(size=1 << 20))
    assert "choose a smaller --size" in refusal(host, host.wanted(size=1 << 50))


@root
@pytest.mark.parametrize("how", ["open", "cwd", "mapped"])
def test_a_folder_in_use_is_refused(host: Host, how: str) -> None:
    """Who uses it is told; a process would go on with what lies below the mount."""
    path = host.folder / "sub" / "core"
    program = {
        "open": f"f = open({str(path)!r}, 'rb')",
        "cwd": f"import os; os.chdir({str(path.parent)!r})",
        "mapped": f"import mmap; f = open({str(path)!r}, 'rb')\n"
        "m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ); f.close()",
    }[how]
    command = [sys.executable, "-c", program + "\nprint(1, flush=True); input()"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as user:
        user.stdout.readline()
        assert f"(pid {user.pid})" in refusal(host, host.wanted())
        user.stdin.close()


@root
def test_a_mount_is_refused_and_so_is_what_holds_one(host: Host) -> None:
    """It can be guarded as it is; and what is mounted below would be hidden."""
    point = host.folder / "sub" / "mounted"
    point.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", point], check=True)
    for folder, why in ((point, "is a mount already"), (host.folder, "is mounted below it")):
        zone = host.records.new(folder, SIZE, Filesystem.EXT4, None, host.table)
        with pytest.raises(ZoneImageError, match=why):
            create(host.records, zone)


@root
@pytest.mark.parametrize(
    ("path", "why"),
    [("/", "needs this folder"), ("/var", "needs this folder"), ("/no/such", "no such directory")],
)
def test_folders_of_the_system_are_refused(host: Host, path: str, why: str) -> None:
    """As is what is not there."""
    zone = host.records.new(Path(path), SIZE, Filesystem.EXT4, None, host.table)
    assert why in refusal(host, zone)


@root
def test_the_agents_own_folder_is_refused(host: Host) -> None:
    """An image cannot lie in the folder that it is mounted on."""
    zone = host.records.new(host.base, SIZE, Filesystem.EXT4, None, host.table)
    assert "which the agent needs" in refusal(host, zone)


@root
def test_an_attempt_that_was_cut_short_comes_first(host: Host) -> None:
    """A second making does not bury what the first left."""
    host.records.keep(host.wanted(), Step.BEGUN)
    with pytest.raises(ZoneImageError, match="run `zone undo` first"):
        create(host.records, host.wanted())


def test_a_missing_program_is_told_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator learns what to install."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ZoneImageError, match="install the package xfsprogs"):
        checks.check_tools(Filesystem.XFS)


def test_only_root_makes_and_undoes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Anybody else is told so."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    records = Records.of(tmp_path)
    zone = records.new(tmp_path, SIZE, Filesystem.EXT4, None, tmp_path / "fstab")
    for attempt in (lambda: create(records, zone), lambda: undo(records, tmp_path)):
        with pytest.raises(ZoneImageError, match="needs root"):
            attempt()


# -- the commands ----------------------------------------------------------------------------


@root
def test_the_commands_make_list_and_undo(host: Host) -> None:
    """What programs read is JSON; what was not made cannot be undone."""
    state = ["--state-dir", str(host.base / "state")]
    where = [str(host.folder), *state]
    run = CliRunner().invoke
    made = run(
        app, ["zone", "create", *where, "--size", "24M", "--fstab", str(host.table), "--json"]
    )
    assert json.loads(made.stdout)["mounted"] is True
    listed = json.loads(run(app, ["zone", "list", *state, "--json"]).stdout)
    assert (listed["path"], listed["step"], listed["type"]) == (str(host.folder), "done", "ext4")
    assert "mounted" in run(app, ["zone", "list", *state]).stdout
    assert run(app, ["zone", "undo", *where]).exit_code == 0
    again = run(app, ["zone", "undo", *where])
    assert (again.exit_code, "see `zone list`" in again.output) == (1, True)


def test_a_size_without_sense_is_a_usage_error(tmp_path: Path) -> None:
    """Exit code 2, and nothing was begun."""
    words = ["zone", "create", str(tmp_path), "--size", "big", "--state-dir", str(tmp_path / "s")]
    assert CliRunner().invoke(app, words).exit_code == 2
    assert not (tmp_path / "s").exists()


# -- fstab -----------------------------------------------------------------------------------


@given(st.text(st.characters(exclude_characters="\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")))
def test_an_entry_comes_and_goes_without_a_trace(before: str) -> None:
    """Whatever else is in the table stays as it is, but for a last line without its end."""
    entry = fstab.Entry("k", Path("/a b"), Path("/c#d"), "ext4", ("loop",))
    text = fstab.with_entry(before, entry)
    assert fstab.with_entry(text, entry) == text
    assert fstab.without_entry(text, "k") in {before, before + "\n"}
    assert fstab.without_entry(text, "other") == text
    assert "/a\\040b /c\\043d ext4 loop 0 0\n" in text


def test_a_replaced_table_keeps_its_mode(tmp_path: Path) -> None:
    """Whoever could read it still can."""
    table = tmp_path / "fstab"
    table.write_text(TABLE)
    table.chmod(0o640)
    fstab.replace(table, "other\n")
    assert (table.read_text(), stat.S_IMODE(table.stat().st_mode)) == ("other\n", 0o640)
