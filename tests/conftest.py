"""What every test shares: root tests need root, and in CI a skipped test is a failure."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Generator, Iterator

import hypothesis
import pytest
import structlog

from lockgate.agent import privileges

# That a busy machine stood still for a moment is no failing example: as hypothesis has it in CI.
hypothesis.settings.register_profile(
    "busy",
    hypothesis.settings(),
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("busy")


@pytest.fixture(autouse=True, scope="session")
def _cores_of_children() -> Iterator[None]:
    """Commands run inside this process may not take its children's right to dump core."""
    real = resource.setrlimit

    def unless_core(which: int, limits: tuple[int, int]) -> None:
        if which != resource.RLIMIT_CORE:
            real(which, limits)

    resource.setrlimit = unless_core
    yield
    resource.setrlimit = real


@pytest.fixture(autouse=True, scope="session")
def _rights_of_this_process() -> Iterator[None]:
    """Commands run inside this process may not take its capabilities: they would be gone for all.

    Where they are dropped is tested in processes of their own.
    """
    real = privileges.keep_only
    privileges.keep_only = lambda *_arguments, **_options: None
    yield
    privileges.keep_only = real


@pytest.fixture(autouse=True)
def _log_settings() -> Iterator[None]:
    """A test that sets up logging leaves no logger on a closed stream behind."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with the reason, what needs root where there is none."""
    able = os.geteuid() == 0 and shutil.which("mkfs.ext4")
    for item in items:
        if "scratch" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.root)
        if item.get_closest_marker("root") and not able:
            item.add_marker(pytest.mark.skip(reason="needs root and mkfs.ext4"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
    call: pytest.CallInfo[None],
) -> Generator[None, None, None]:
    """Turn a skip into a failure where CI promised to have everything installed."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]  # pluggy's Result is untyped here
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped in CI: {report.longrepr}"
