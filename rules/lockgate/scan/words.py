"""Closed lists of words that explain themselves.

``docs/tables.md`` is generated from every :class:`Word` list, so an explanation stands in
the code once and nowhere else.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Word(StrEnum):
    """A closed list of words; each word carries the sentence that explains it."""

    explanation: str

    def __new__(cls, value: str, explanation: str = "") -> Self:
        """Make the member; the second value is its explanation."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.explanation = explanation
        return member
