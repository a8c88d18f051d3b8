"""YAML with positions: every complaint names file, line, column, key and the nearest known name.

Rules enforced here:

1. Only plain YAML (:mod:`lockgate.policy.plain`) in UTF-8, no repeated key, bounded size.
2. A key that is not known is an error, never ignored.
3. All faults of a document are told at once, in its order; one fault still refuses all of it.
   After :data:`MOST_FAULTS` nobody reads on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import yaml

from lockgate.policy.model import Fault, PolicyError, nearest
from lockgate.policy.plain import UnplainError, is_text, nodes, truth_of
from lockgate.wire.bounds.policy import POLICY_BYTES

E = TypeVar("E", bound=StrEnum)
T = TypeVar("T")

_TAG = "tag:yaml.org,2002:"
#: Faults of one place that are told.
MOST_FAULTS = 50
_DURATION = re.compile(r"([1-9][0-9]{0,5})([smhd])")
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")  # an escape can make one; no message holds it
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_EXPECTED = {"str": "text", "bool": "true or false", "int": "a whole number"}


@dataclass(frozen=True, slots=True)
class Source:
    """The text of one file; ``name`` is what complaints call it."""

    name: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Value:
    """One node of a document that knows where it stands."""

    node: yaml.Node = field(repr=False)
    file: str
    key: str

    def fault(self, why: str, nearest_name: str = "", *, at: int = 0) -> PolicyError:
        """An error at this place, or ``at`` so many characters into its text."""
        line, column = self._place(at)
        return PolicyError(Fault(self.file, line, column, self.key, why, nearest_name))

    def fields(
        self, readers: Mapping[str, Callable[[Value], Any]], required: Collection[str] = ()
    ) -> dict[str, Any]:
        """The mapping at this place, each value read by the reader of its key.

        Raises:
            PolicyError: every fault in it: unknown, repeated and missing keys, wrong values.
        """
        if not isinstance(self.node, yaml.MappingNode):
            raise self.fault("expected a mapping")
        read: dict[str, Any] = {}
        faults: list[Fault] = []
        for name_node, node in self.node.value:
            name = str(name_node.value) if is_text(name_node) else ""
            key = f"{self.key}.{name}".lstrip(".")
            if len(faults) >= MOST_FAULTS:
                break
            try:
                here = Value(name_node, self.file, key)
                here._check_key(name, readers, read)
                read[name] = None
                read[name] = readers[name](Value(node, self.file, key))
            except PolicyError as error:
                faults += error.faults
        for name in required:
            if name not in read:
                faults += self.fault(f'"{name}" is missing').faults
        if faults:
            raise PolicyError(*faults)
        return read

    def _check_key(self, name: str, known: Collection[str], read: Collection[str]) -> None:
        if not name:
            raise self.fault("expected a key that is a word")
        if name not in known:
            raise self.fault("unknown key", nearest(name, known))
        if name in read:
            raise self.fault("given twice")

    def each(self, reader: Callable[[Value], T]) -> tuple[T, ...]:
        """The elements of the list at this place, read; all their faults at once."""
        if not isinstance(self.node, yaml.SequenceNode):
            raise self.fault("expected a list")
        read: list[T] = []
        faults: list[Fault] = []
        for index, node in enumerate(self.node.value):
            if len(faults) >= MOST_FAULTS:
                break
            try:
                read.append(reader(Value(node, self.file, f"{self.key}[{index}]")))
            except PolicyError as error:
                faults += error.faults
        if faults:
            raise PolicyError(*faults)
        return tuple(read)

    def is_mapping(self) -> bool:
        """Whether there is a mapping at this place."""
        return isinstance(self.node, yaml.MappingNode)

    def text(self) -> str:
        """The text at this place."""
        return self._scalar("str")

    def truth(self) -> bool:
        """The boolean at this place."""
        truth = truth_of(self.node) if isinstance(self.node, yaml.ScalarNode) else None
        if truth is None:
            raise self.fault(f"expected {_EXPECTED['bool']}")
        return truth

    def number(self) -> int:
        """The whole number at this place, zero or above."""
        digits = self._scalar("int")
        if not re.fullmatch(r"[0-9]{1,19}", digits):
            raise self.fault("expected a whole number")
        return int(digits)

    def _scalar(self, tag: str) -> str:
        if not isinstance(self.node, yaml.ScalarNode) or self.node.tag != f"{_TAG}{tag}":
            raise self.fault(f"expected {_EXPECTED[tag]}")
        if _HALF_CHARACTER.search(self.node.value):
            raise self.fault("half a character")
        return str(self.node.value)

    def choice(self, words: type[E]) -> E:
        """The word at this place."""
        text = self.text()
        try:
            return words(text)
        except ValueError:
            choices = [word.value for word in words]
            why = f"{text!r} is not one of {', '.join(choices)}"
            raise self.fault(why, nearest(text, choices)) from None

    def duration(self) -> timedelta:
        """The span at this place: a number and one of s, m, h, d."""
        span = span_of(self.text())
        if span is None:
            raise self.fault('expected a time span such as "15m", "24h" or "7d"')
        return span

    def _place(self, at: int) -> tuple[int, int]:
        """Line and column in the file, from 1, of character ``at`` of the text here."""
        start, end = self.node.start_mark, self.node.end_mark
        if not isinstance(self.node, yaml.ScalarNode) or start.buffer is None:
            return start.line + 1, start.column + 1
        written = start.buffer[start.pointer : end.pointer]
        before = written[: _aligned(self.node, written, at)]
        line = start.line + before.count("\n")
        column = len(before) - before.rfind("\n") - 1
        return line + 1, column + (start.column if "\n" not in before else 0) + 1


def _aligned(node: yaml.ScalarNode, written: str, at: int) -> int:
    """Where character ``at`` of a scalar stands in the way it is written.

    Folding and indentation differ in blank characters only, so the others are followed one by
    one; an escape of a quoted scalar may put the answer off by its length.
    """
    if at <= 0:
        return 0
    place = written.find("\n") if node.style in {"|", ">"} else int(node.style is not None) - 1
    for character in str(node.value)[: at + 1]:
        if not character.isspace():
            found = written.find(character, place + 1)
            place = found if found >= 0 else place
    return max(place, 0)


def span_of(text: str) -> timedelta | None:
    """The time span that a text names: a number and one of s, m, h, d; None when it names none."""
    match = _DURATION.fullmatch(text)
    return timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else None


def read(path: Path) -> Source:
    """The text of a file.

    Raises:
        PolicyError: it cannot be read, is no text, or is larger than a policy may be.
    """
    name = str(path)
    try:
        with path.open("rb") as file:
            raw = file.read(POLICY_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: no path has a NUL
        why = error.strerror if isinstance(error, OSError) else "not a path"
        raise PolicyError(Fault(name, message=f"cannot be read: {why}")) from None
    if len(raw) > POLICY_BYTES:
        raise PolicyError(Fault(name, message=f"larger than {POLICY_BYTES} bytes"))
    try:
        return Source(name, raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise PolicyError(Fault(name, line, column, message="not UTF-8")) from None


def documents(source: Source) -> Iterator[Value]:
    """Every document of a file that is not empty.

    Raises:
        PolicyError: it is not plain YAML.
    """
    try:
        for node in nodes(source.text):
            yield Value(node, source.name, "")
    except UnplainError as error:
        place = (source.name, error.line, error.column)
        raise PolicyError(Fault(*place, message=str(error))) from None
