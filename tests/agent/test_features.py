"""What the kernel can do is found out with real events, and any of it can be done without."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.agent.guard import features
from lockgate.agent.guard.features import Features

from .conftest import CLEAN, PRIVATE, GuardProcess, descriptors, error_of, wait_until

SECOND = 1_000_000_000
NAMES = ["deny-errno", "pidfd", "pre-access", "fine-timestamps", "coredump-socket"]
ALL = Features(*[True] * 5)
#: The tests of the guard that a missing feature could break.
ESSENTIAL = (
    "no_way_out or every_way_out or live_writer or released_reader or deadline or races "
    "or racing or changes or voids or mapping or ordinary or quarantined"
)


@pytest.mark.root
def test_this_kernel_is_asked_with_real_events() -> None:
    """A kernel of 6.17 or later has all of them, and asking leaves nothing open."""
    before = descriptors()
    found = features.probe()
    newest = tuple(int(n) for n in os.uname().release.split(".")[:2]) >= (6, 17)

    assert found == ALL or not newest
    assert descriptors() <= before


def test_without_the_right_nothing_is_there() -> None:
    """A caller whom the kernel gives no permission group has none of its features."""
    code = (
        "import os\n"
        "from lockgate.agent.guard.features import probe\n"
        "os.geteuid() or os.setuid(65534)\n"
        "f = probe(); print(f.deny_errno, f.pidfd, f.pre_access)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["False"] * 3


@pytest.mark.parametrize("name", NAMES)
def test_each_feature_can_be_masked(name: str) -> None:
    """The named feature is gone, and no other."""
    left = ALL.without([name])

    assert [n for n in NAMES if getattr(left, n.replace("-", "_"))] == [
        n for n in NAMES if n != name
    ]


def test_an_unknown_feature_is_named_with_the_known_ones() -> None:
    """A spelling mistake does not silently leave a feature on."""
    with pytest.raises(ValueError, match=r"^deny-error: .*deny-errno"):
        ALL.without(["deny-error"])


@pytest.mark.root
def test_settings_and_environment_mask_together() -> None:
    """Both lists count."""
    left = features.available(["pidfd"], {"LOCKGATE_KERNEL_WITHOUT": "deny-errno, pre-access"})

    assert (left.pidfd, left.deny_errno, left.pre_access) == (False, False, False)


@given(st.integers(1, 2**62), st.integers(-(2**40), 2**40))
def test_a_settled_time_is_older_than_what_its_clock_can_tell(ctime_ns: int, age_ns: int) -> None:
    """Coarse clocks need twenty milliseconds, whole seconds two of them, fine clocks nothing."""
    now = ctime_ns + age_ns
    whole = ctime_ns % SECOND == 0

    assert Features().settled(ctime_ns, now) == (age_ns >= (2 * SECOND if whole else 20_000_000))
    assert ALL.settled(ctime_ns, now) == (not whole or age_ns >= 2 * SECOND)


def test_other_filesystems_have_coarse_times() -> None:
    """One zone on a filesystem that is not known for fine times makes all coarse."""
    assert ALL.on(["ext4", "xfs"]).fine_timestamps
    assert not ALL.on(["ext4", "vfat"]).fine_timestamps


@pytest.mark.root
@pytest.mark.parametrize("masked", ["fine-timestamps", "pidfd,pre-access,coredump-socket"])
def test_the_guard_holds_without_newer_features(masked: str) -> None:
    """The essential tests of the guard pass with the feature masked in every process."""
    assert _run_again(masked, ESSENTIAL) == 0


@pytest.mark.root
def test_the_guard_holds_without_errnos_in_denials(
    guard: GuardProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every denial is EPERM then, also the holder's, and clean files pass."""
    monkeypatch.setenv(features.VARIABLE, "deny-errno")
    for name, content in {"clean": CLEAN, "dirty": PRIVATE, "unsure": b"UNSURE"}.items():
        (guard.zone / name).write_bytes(content)
    guard.start(grace="0.2")
    with (guard.zone / "written").open("wb"):
        errors = [error_of(guard.zone / name) for name in ("clean", "dirty", "unsure", "written")]
    wait_until(lambda: len(guard.receipts()) == 4)
    guard.kill()

    assert errors == [0, errno.EPERM, errno.EPERM, errno.EPERM]
    assert {receipt["errno"] for receipt in guard.receipts()} == {"0", str(errno.EPERM)}
    assert error_of(guard.zone / "clean") == errno.EPERM


@pytest.mark.root
def test_no_way_out_without_errnos_in_denials() -> None:
    """The class of group that older kernels have holds as well."""
    assert _run_again("deny-errno", "no_way_out or every_way_out or racing or quarantined") == 0


def _run_again(masked: str, which: str) -> int:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-k", which]
    environment = {**os.environ, features.VARIABLE: masked}
    done = subprocess.run(
        [*command, str(Path(__file__).with_name("test_guard.py"))],
        cwd=Path(__file__).parents[2],
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert "passed" in done.stdout, done.stdout
    return done.returncode
