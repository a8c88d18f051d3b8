"""A crash's control group decides its zone."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockgate.agent.config import Mode, ZoneSettings
from lockgate.agent.intake.routes import zone_for

WEB = ZoneSettings(Path("/srv/web"), cgroups=("/system.slice/web",))
API = ZoneSettings(Path("/srv/api"), cgroups=("/system.slice/web/api/", "/machine.slice"))
PLAIN = ZoneSettings(Path("/srv/plain"), mode=Mode.MONITOR)
SIGNING = ZoneSettings(Path("/srv/signing"), signing=True)


@pytest.mark.parametrize(
    ("cgroup", "zone"),
    [
        ("/system.slice/web", WEB),
        ("/system.slice/web/worker", WEB),
        ("/system.slice/web/api/1", API),
        ("/machine.slice/x", API),
        ("/system.slice/webmail", SIGNING),
        ("", SIGNING),
    ],
)
def test_the_longest_prefix_wins_and_the_rest_goes_to_the_strictest(
    cgroup: str, zone: ZoneSettings
) -> None:
    """A prefix ends where a name ends."""
    assert zone_for(cgroup, (PLAIN, WEB, SIGNING, API)) is zone


def test_without_a_signing_zone_an_enforcing_one_is_strictest() -> None:
    """And of equals the first."""
    assert zone_for("/x", (PLAIN, WEB, API)) is WEB
