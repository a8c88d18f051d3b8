"""How long evidence is kept, by what was found: the table ``[retention]``.

Rules enforced here:

1. Of several classes in one file the one that is kept longest rules.
2. A file of settings may lengthen what is shipped; it shortens it only where the installation asks
   for no second person. Else a shorter period is a change that somebody approves.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass

from lockgate.scan.report import FindingClass, Outcome
from lockgate.scan.words import Word

_SEVEN_YEARS, _THREE_YEARS, _ONE_YEAR = 2557, 1096, 366
#: The longest period in days: what is kept for ever, all but.
LONGEST_DAYS = 36_525


class Kept(Word):
    """What a transfer is kept as."""

    PROTECTED = "protected", "A protected key was found."
    PRIVATE = "private", "A private key was found."
    CREDENTIAL = "credential", "A credential was found."
    SESSION = "session", "A session key was found."
    RNG = "rng", "The state of a generator was found."
    TEST = "test", "A published test key was found."
    ENCRYPTED = "encrypted", "A sealed key store was found."
    GAP = "gap", "Parts of the file were not looked at."
    CLEAN = "clean", "Nothing was found."


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """Days for each class, from the decision on."""

    protected: int = _SEVEN_YEARS
    private: int = _SEVEN_YEARS
    credential: int = _SEVEN_YEARS
    session: int = _THREE_YEARS
    rng: int = _ONE_YEAR
    test: int = _THREE_YEARS
    encrypted: int = _THREE_YEARS
    gap: int = _THREE_YEARS
    clean: int = _THREE_YEARS

    def __post_init__(self) -> None:
        for key, days in asdict(self).items():
            if not 1 <= days <= LONGEST_DAYS:
                raise ValueError(f'"retention.{key}": expected 1 to {LONGEST_DAYS} days')


def periods(
    settings: RetentionSettings, decided: Mapping[str, int], *, second_person: bool
) -> dict[Kept, int]:
    """The days of every class; ``decided``: what people have approved, by class."""
    shipped, written = asdict(RetentionSettings()), asdict(settings)
    least = shipped if second_person else {}
    return {
        kept: decided.get(kept.value, max(written[kept.value], least.get(kept.value, 1)))
        for kept in Kept
    }


def kept_as(classes: Collection[FindingClass], outcome: Outcome, days: Mapping[Kept, int]) -> Kept:
    """The class that rules a transfer: of all that are in it, the one that is kept longest."""
    found = {Kept(each.value) for each in classes}
    if outcome is Outcome.INCOMPLETE:
        found.add(Kept.GAP)
    return max(found or {Kept.CLEAN}, key=lambda kept: (days[kept], kept.value))
