"""The scanner as it is shipped: the engine with all formats and the published test keys."""

from __future__ import annotations

from lockgate import formats
from lockgate.formats.logins.prover import LoginFormat
from lockgate.formats.published import is_published
from lockgate.scan.engine import Scanner
from lockgate.scan.evidence import Format
from lockgate.scan.limits import Limits, Profile
from lockgate.scan.registry import Registry
from lockgate.scan.salt import Salt


def salted_formats(salt: Salt | None) -> tuple[Format, ...]:
    """Every format; those of weak secrets with the site's salt, when there is one."""
    if salt is None:
        return formats.ALL
    return tuple(f.salted(salt) if isinstance(f, LoginFormat) else f for f in formats.ALL)


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
        salted_formats(salt),
        registry or Registry.empty(),
        is_published,
        profile=profile,
        limits=limits,
        strict=strict,
        salt=salt,
    )
