"""The scanner as it is shipped: the engine with all formats and the published test keys."""

from __future__ import annotations

from lockgate import formats
from lockgate.formats.published import is_published
from lockgate.scan.engine import Scanner
from lockgate.scan.limits import Limits, Profile
from lockgate.scan.registry import Registry
from lockgate.scan.salt import Salt


def standard_scanner(
    registry: Registry | None = None,
    *,
    profile: Profile = Profile.STANDARD,
    limits: Limits | None = None,
    strict: bool = False,
    salt: Salt | None = None,
) -> Scanner:
    """A scanner with every format of this distribution.

    Raises:
        RuleError: the shipped rules do not compile.
    """
    return Scanner(
        formats.ALL,
        registry or Registry.empty(),
        is_published,
        profile=profile,
        limits=limits,
        strict=strict,
        salt=salt,
    )
