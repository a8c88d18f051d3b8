"""core_pattern: remembered, set, put back; on files that stand for the kernel's."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.agent.intake import pattern
from lockgate.agent.intake.pattern import Kernel, PatternError


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    """Files in place of the kernel's."""
    made = Kernel(tmp_path / "pattern", tmp_path / "limit", tmp_path / "boot")
    made.pattern_file.write_text("core.%p  \n")
    made.limit_file.write_text("0\n")
    made.boot_file.write_text("first\n")
    return made


def test_what_was_there_is_put_back_to_the_byte(kernel: Kernel, tmp_path: Path) -> None:
    """Spaces too; and a damaged record is an error, never a guess."""
    setting = pattern.new_setting(kernel, pattern.PIPE, "|/x %P", None)
    pattern.keep(tmp_path, setting)
    kernel.set(setting.pattern, setting.limit)
    assert (kernel.pattern(), kernel.limit()) == ("|/x %P", "64")
    found = pattern.kept(tmp_path)
    assert found == setting
    kernel.set(found.old_pattern, found.old_limit)
    assert kernel.pattern_file.read_text() == "core.%p  \n"
    (tmp_path / pattern.SETTING_NAME).write_text("{")
    with pytest.raises(PatternError):
        pattern.kept(tmp_path)


def test_drift_is_any_difference(kernel: Kernel) -> None:
    """Also a pattern that cannot be read."""
    setting = pattern.new_setting(kernel, pattern.SOCKET, "core.%p  ", None)
    assert pattern.drift_of(kernel, setting) is None
    kernel.pattern_file.write_text("core\n")
    assert pattern.drift_of(kernel, setting) == "core"
    kernel.pattern_file.unlink()
    assert pattern.drift_of(kernel, setting) is not None


def test_after_a_reboot_it_is_set_again(kernel: Kernel, tmp_path: Path) -> None:
    """What the new boot had is what is put back; in the same boot nothing is touched."""
    setting = pattern.new_setting(kernel, pattern.SOCKET, "@@/run/x", None)
    kernel.set(setting.pattern, setting.limit)
    kernel.pattern_file.write_text("|/other\n")
    assert pattern.set_after_boot(kernel, tmp_path, setting) == setting
    assert kernel.pattern() == "|/other"
    kernel.boot_file.write_text("second\n")
    renewed = pattern.set_after_boot(kernel, tmp_path, setting)
    assert kernel.pattern() == "@@/run/x"
    assert renewed.old_pattern == "|/other"
    assert pattern.kept(tmp_path) == renewed


@pytest.mark.parametrize(
    ("found", "collector"),
    [
        ("core", ""),
        ("/var/core/%e", ""),
        ("|/usr/lib/systemd/systemd-coredump %P %u", "systemd-coredump"),
        ("|/usr/share/apport/apport -p%p", "Apport"),
        ("|/opt/own/tool", "/opt/own/tool"),
        ("@/run/other.sock", "/run/other.sock"),
        ("|", "|"),
    ],
)
def test_another_collector_is_named(found: str, collector: str) -> None:
    """Known ones by their names, others by their path."""
    assert pattern.collector_of(found) == collector


@given(st.text(st.characters(codec="utf-8", exclude_characters="\n\0"), max_size=40))
def test_whatever_the_pattern_the_question_is_answered(found: str) -> None:
    """No form of pattern is an error."""
    assert isinstance(pattern.collector_of(found), str)


@pytest.mark.parametrize("way", [pattern.SOCKET, pattern.PIPE])
def test_names_that_the_kernel_would_cut_are_refused(way: str) -> None:
    """A cut pattern would send dumps anywhere."""
    with pytest.raises(PatternError):
        pattern.wanted_pattern(way, Path("/" + "r" * 120), Path("/" + "s" * 120))
    with pytest.raises(PatternError):
        pattern.wanted_pattern(way, Path("/run/a b"), Path("/var/a b"))
