"""What the expression engine says about a wrong expression, in words a policy's author can use.

Rules enforced here:

1. A complaint names the character it is about, what stands there, what was expected, and the
   known name nearest to the one given.
2. What this module does not understand is passed on as the engine said it, one line of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from google.protobuf import descriptor_pool

from lockgate.policy.model import nearest

PACKAGE = "lockgate.v1"
VARIABLES = ("report", "transfer", "now")

#: Functions and macros of the CEL standard library (cel-spec, doc/langdef.md).
_FUNCTIONS = (
    *("all", "exists", "exists_one", "filter", "map", "has"),
    *("contains", "endsWith", "matches", "size", "startsWith"),
    *("bool", "bytes", "double", "duration", "dyn", "int", "string", "timestamp", "type", "uint"),
    *("getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getFullYear", "getHours"),
    *("getMilliseconds", "getMinutes", "getMonth", "getSeconds"),
)
_FILES = ("lockgate/v1/report.proto", "lockgate/v1/transfer.proto")
_MOST = 5
_LONGEST = 160

_ERROR = re.compile(r"^(?:INVALID_ARGUMENT: )?ERROR: <input>:(\d+):(\d+): (.*)$", re.MULTILINE)
_UNDEFINED = re.compile(r"undefined field '(\w+)' not found in struct '([\w.]+)'")
_UNDECLARED = re.compile(r"undeclared reference to '([\w.@]+)'")
_OVERLOAD = re.compile(r"found no matching overload for '([^']+)' applied to '(.*?)'")
_SELECTED = re.compile(r"(\w+)\s*\.\s*(\w+)")


@dataclass(frozen=True, slots=True)
class Complaint:
    """One mistake; ``offset`` is the index of the character it is about."""

    offset: int
    message: str
    nearest: str = ""


def complaints(text: str, said: str) -> tuple[Complaint, ...]:
    """What the engine ``said`` of the expression ``text``; at least one."""
    found = tuple(_each(text, said))
    if not found:
        return (Complaint(0, said.split("\n", maxsplit=1)[0].removesuffix(" [CANCELLED]")),)
    syntax = next((c for c in found if c.message.startswith("syntax error")), None)
    return (syntax,) if syntax else found[:_MOST]


def _each(text: str, said: str) -> Iterator[Complaint]:
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    for line, column, why in _ERROR.findall(said):
        start = starts[min(int(line), len(starts)) - 1]
        yield _explain(text, min(start + int(column) - 1, len(text)), why)


def _explain(text: str, offset: int, why: str) -> Complaint:
    if match := _UNDEFINED.search(why):
        return _undefined(text, offset, match[1], match[2])
    if match := _UNDECLARED.search(why):
        return _undeclared(text, offset, match[1])
    if match := _OVERLOAD.search(why):
        return Complaint(offset, _overload(match[1], match[2]))
    if "type(*error*)" in why and (value := _enum_value(text, offset)):
        return value
    if why.startswith("Syntax error: "):
        plain = why.removeprefix("Syntax error: ").replace("'<EOF>'", "the end")
        return Complaint(offset, f"syntax error: {plain[:_LONGEST]}")
    return Complaint(offset, why.removesuffix(" [INVALID_ARGUMENT]")[:_LONGEST])


def _undefined(text: str, offset: int, name: str, message: str) -> Complaint:
    known = descriptor_pool.Default().FindMessageTypeByName(message).fields_by_name
    return Complaint(
        _nearest_place(text, name, offset), f'{message} has no field "{name}"', nearest(name, known)
    )


def _undeclared(text: str, offset: int, name: str) -> Complaint:
    first, dot, value = name.partition(".")
    enums = _enums()
    if dot and first in enums:
        return _wrong_value(text, offset, first, value)
    place = _nearest_place(text, first, offset)
    known = (*VARIABLES, *enums, *(() if dot else _FUNCTIONS))
    return Complaint(place, f'nothing here is named "{first}"', nearest(first, known))


def _enum_value(text: str, offset: int) -> Complaint | None:
    """The complaint about ``Enum.VALUE`` around ``offset``, if that is what stands there."""
    for match in _SELECTED.finditer(text):
        if match.start() <= offset <= match.end() and match[1] in _enums():
            return _wrong_value(text, match.start(2), match[1], match[2])
    return None


def _wrong_value(text: str, offset: int, enum: str, value: str) -> Complaint:
    place = _nearest_place(text, value, offset)
    return Complaint(place, f'{enum} has no value "{value}"', nearest(value, _enums()[enum]))


def _overload(function: str, types: str) -> str:
    name = function.strip("_") if function.startswith("_") or function.endswith("_") else function
    hints = []
    if "uint" in types and re.search(r"\bint\b", types):
        hints.append('unsigned numbers are written with a "u", as in 0u')
    if re.search(r"\bint\b", types) and "string" in types:
        hints.append("values of an enum are written as in Boundary.BOUNDARY_OPEN")
    return "; ".join((f'"{name}" takes no ({types.strip("()")})', *hints))


def _enums() -> dict[str, tuple[str, ...]]:
    """The enums that expressions may name, with their values."""
    pool = descriptor_pool.Default()
    files = (pool.FindFileByName(name) for name in _FILES)
    return {
        enum.name: tuple(enum.values_by_name)
        for file in files
        for enum in file.enum_types_by_name.values()
    }


def _nearest_place(text: str, name: str, offset: int) -> int:
    """Where ``name`` stands as a word nearest to ``offset``; ``offset`` when it does not."""
    starts = [match.start() for match in re.finditer(rf"\b{re.escape(name)}\b", text)]
    return min(starts, key=lambda start: abs(start - offset), default=offset)
