"""Every way out, on every filesystem, against the agent that an operator runs.

The suite proves itself: each way is seen to leak where no guard stands, and small guards that
lack one thing each are seen leaking by the same detector.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conformance.programs import missing_packages
from tests.conformance.trials import Field, field_of
from tests.conformance.way import FILESYSTEMS, Scope, Way
from tests.conformance.ways import WAYS

_SECURITY = Path(__file__).parents[2] / "SECURITY.md"
_LEAST_WAYS = 70
#: All that may leak, below the words under which SECURITY.md says so. OLDER_UNSEEN is the part
#: of what is older than the guard that no table of a process shows to the census.
OLDER_SEEN = {
    "descriptor opened before, read",
    "descriptor opened before, mapped after",
    "descriptor opened before, passed on",
    "mapping made before",
    "nginx open_file_cache warmed before",
}
OLDER_UNSEEN = {
    "descriptor opened before, in flight over SCM_RIGHTS",
    "fixed file of an io_uring, registered before",
    "loop device over the file, made before",
}
NOT_PROMISED = {
    "What is older than the guard": OLDER_SEEN | OLDER_UNSEEN,
    "A creator's own descriptor": {
        "creator reads back through its own descriptor",
        "creator passes its own descriptor on",
    },
    "Pages that a let-in reader took out without reading them": {
        "pages spliced into a pipe while clean, secret written over them",
    },
    "Descriptors that the kernel gives other listeners": {
        "descriptor that another fanotify listener is given",
    },
    "Raw block devices and images": {
        "raw read of the block device",
        "raw read of the image behind the device",
        "debugfs cat",
        "btrfs send",
        "btrfs tree search, of a small file",
    },
}
#: What a guard lacks, and the ways out that this opens.
WEAK = {
    "mount-mark": {"bind mount of the zone", "unshare -m"},
    "directory-mark": {"hard link outside, made after", "rename out of the zone"},
    "path-cache": {
        "secret renamed over a judged clean file",
        "secret written in place after a judgement",
    },
    "no-lease": {
        "reader let in while clean, secret written, read",
        "reader's mapping made while clean, secret written",
    },
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each way that can exist on the filesystem of the class."""
    if "way" in metafunc.fixturenames:
        fitting = _ways_on(metafunc.cls.filesystem)
        metafunc.parametrize("way", fitting, ids=[way.name for way in fitting])


def _ways_on(filesystem: str) -> list[Way]:
    return [way for way in WAYS.values() if filesystem in way.filesystems]


@pytest.fixture(scope="session")
def programs() -> None:
    """All programs that ways use; in CI their lack is a failure."""
    if missing := missing_packages():
        pytest.skip(f"to be installed first: {' '.join(missing)}")


@pytest.fixture(scope="class")
def field(request: pytest.FixtureRequest, programs: None) -> Iterator[Field]:
    """A filesystem of the class's kind under the real agent."""
    with field_of(request.cls.filesystem, _ways_on(request.cls.filesystem)) as found:
        yield found


@pytest.mark.root
class _Suite:
    filesystem: str

    def test_way_out(self, field: Field, way: Way) -> None:
        """The way leaks unguarded, passes a clean file, and keeps a dirty one."""
        problems = list(field.try_way(way).problems())
        assert not problems, f"{way.name} on {self.filesystem}: {'; '.join(problems)}"

    def test_the_census_names_whoever_had_files_open_before(self, field: Field) -> None:
        """Processes with descriptors and mappings older than the mark are in the census."""
        assert field.named >= OLDER_SEEN

    def test_there_are_ways_enough(self) -> None:
        """At least seventy promised ways are tried on each filesystem."""
        ways = _ways_on(self.filesystem)
        assert sum(way.scope is not Scope.NOT_PROMISED for way in ways) >= _LEAST_WAYS


class TestExt4(_Suite):
    filesystem = "ext4"


class TestXfs(_Suite):
    filesystem = "xfs"


class TestBtrfs(_Suite):
    filesystem = "btrfs"


class TestTmpfs(_Suite):
    filesystem = "tmpfs"


def test_every_filesystem_has_its_class() -> None:
    """No filesystem of the suite is left out."""
    assert {suite.filesystem for suite in _Suite.__subclasses__()} == set(FILESYSTEMS)


def test_nothing_else_may_leak() -> None:
    """What is not promised is the closed list above."""
    listed = set().union(*NOT_PROMISED.values())
    assert {way.name for way in WAYS.values() if way.scope is Scope.NOT_PROMISED} == listed


@pytest.mark.parametrize("words", NOT_PROMISED)
def test_security_says_what_is_not_promised(words: str) -> None:
    """Each kind of what may leak stands in SECURITY.md."""
    assert f"**{words}" in _SECURITY.read_text("utf-8")


@pytest.mark.root
@pytest.mark.parametrize("weakness", WEAK)
def test_a_weakened_guard_is_seen_leaking(weakness: str, programs: None) -> None:
    """Each thing that a guard lacks opens ways that the real agent closes."""
    ways = [WAYS[name] for name in sorted(WEAK[weakness])]
    with field_of("ext4", ways, weakness) as weak:
        assert {way.name for way in ways if weak.try_way(way).leaks} == WEAK[weakness]


@pytest.mark.root
def test_the_reference_of_the_weakened_guards_does_not_leak(programs: None) -> None:
    """The small guard that lacks nothing of these keeps what the others let out."""
    names = WEAK["mount-mark"] | WEAK["directory-mark"] | WEAK["path-cache"]
    ways = [WAYS[name] for name in sorted(names)]
    with field_of("ext4", ways, "none") as reference:
        assert not [way.name for way in ways if reference.try_way(way).leaks]
