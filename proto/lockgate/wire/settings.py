"""Settings of a daemon: TOML files, environment and flags become one frozen dataclass.

Rules enforced here:

1. Flag > environment > drop-in file > main file > default. ``conf.d/*.toml`` beside the main
   file are read in the order of their names; a later value replaces an earlier one, but
   arrays of tables are joined, so that a drop-in may add a zone.
2. A key that the dataclass does not have is an error naming file, line, key and the nearest
   known key; so is a value of the wrong type. Nothing is ignored silently.
3. The environment variable of ``section.key`` is ``LOCKGATE_SECTION_KEY``. Unknown variables
   are not errors: agent, controller and tests share the prefix on one host.

The dataclass is the only description of the settings: its fields may be ``str``, ``int``,
``float``, ``bool``, ``Path``, an enum of strings, ``X | None``, ``tuple[X, ...]`` of those, a
nested dataclass (a table) or a tuple of dataclasses (an array of tables).
"""

from __future__ import annotations

import dataclasses
import difflib
import enum
import re
import tomllib
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

PREFIX = "LOCKGATE"

T = TypeVar("T")

_TRUTHS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_NAMES: dict[type, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    Path: "a path",
}


class SettingsError(Exception):
    """A setting is unknown, of the wrong type or impossible; the text is for the operator."""


def files_beside(main: Path) -> tuple[Path, ...]:
    """``main`` if it exists, then the ``*.toml`` of the ``conf.d`` folder beside it, by name."""
    drop_ins = sorted((main.parent / "conf.d").glob("*.toml"))
    return (*([main] if main.exists() else []), *drop_ins)


def load(
    shape: type[T],
    *,
    files: Sequence[Path] = (),
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
) -> T:
    """One ``shape`` from all sources.

    ``files`` in rising precedence, each must be readable. ``flags`` maps dotted keys
    (``"alerts.file"``) to values; None means "not given".

    Raises:
        SettingsError: see the rules of this module; also what the dataclass itself refuses
            with ValueError.
    """
    values: dict[str, Any] = {}
    for path in files:
        _merge(values, _read_file(shape, path))
    for key, hint in _leaves(shape):
        text = (environment or {}).get(_variable(key))
        if text is not None:
            _put(values, key, _from_text(text, hint, f"{_variable(key)}"))
    for key, value in (flags or {}).items():
        if value is not None:
            _put(values, key, _convert(value, _hint_of(shape, key), f"flag for {key}"))
    return _build(shape, values)


def _read_file(shape: type, path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        table = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: {error}") from None
    return _check_table(table, shape, _Place(path, text, ()))


@dataclasses.dataclass(frozen=True, slots=True)
class _Place:
    """A key in a file; knows how to name itself in an error."""

    path: Path
    text: str = dataclasses.field(repr=False)
    key: tuple[str, ...]

    def inside(self, name: str) -> _Place:
        return dataclasses.replace(self, key=(*self.key, name))

    def __str__(self) -> str:
        line = _line_of(self.text, self.key)
        where = f"{self.path}:{line}" if line else str(self.path)
        return f'{where}: "{".".join(self.key)}"'


_HEADER = re.compile(r"\s*\[\[?\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_ASSIGNMENT = re.compile(r"\s*([A-Za-z0-9_.\"'\- ]+?)\s*=")


def _line_of(text: str, key: tuple[str, ...]) -> int | None:
    """Line of the first mention of ``key``; None when it stands in an inline table."""
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = _dotted(header[1])
            found = table
        elif assignment := _ASSIGNMENT.match(line):
            found = (*table, *_dotted(assignment[1]))
        else:
            continue
        if found[: len(key)] == key:
            return number
    return None


def _dotted(text: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in text.split("."))


def _check_table(table: Mapping[str, Any], shape: type, place: _Place) -> dict[str, Any]:
    hints = typing.get_type_hints(shape)
    values = {}
    for name, value in table.items():
        here = place.inside(name)
        if name not in hints:
            raise SettingsError(f"{here}: unknown key{_nearest(name, hints)}")
        values[name] = _convert(value, hints[name], here)
    return values


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.0)
    return f'; the nearest known key is "{close[0]}"' if close else ""


def _convert(value: Any, hint: Any, place: object) -> Any:
    """``value`` (of TOML or of a flag) as ``hint``; tables become dictionaries."""
    inner, optional = _without_none(hint)
    if value is None and optional:
        return None
    if dataclasses.is_dataclass(inner) and isinstance(inner, type):
        return _convert_table(value, inner, place)
    if typing.get_origin(inner) is tuple:
        if not isinstance(value, list | tuple):
            raise SettingsError(f"{place}: expected a list")
        return tuple(_convert(item, typing.get_args(inner)[0], place) for item in value)
    return _convert_scalar(value, inner, place)


def _convert_table(value: Any, shape: type, place: object) -> Any:
    if not isinstance(value, Mapping):
        raise SettingsError(f"{place}: expected a table")
    if not isinstance(place, _Place):
        raise SettingsError(f"{place}: tables can only be given in a file")
    return _check_table(value, shape, place)


def _convert_scalar(value: Any, kind: Any, place: object) -> Any:
    if kind is Path and isinstance(value, str | Path):
        return Path(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return _convert_choice(value, kind, place)
    if type(value) is not kind:
        raise SettingsError(f"{place}: expected {_NAMES.get(kind, kind)}, not {value!r}")
    return value


def _convert_choice(value: Any, kind: type[enum.Enum], place: object) -> enum.Enum:
    try:
        return kind(value)
    except ValueError:
        choices = ", ".join(str(choice.value) for choice in kind)
        raise SettingsError(f"{place}: {value!r} is not one of {choices}") from None


def _without_none(hint: Any) -> tuple[Any, bool]:
    if typing.get_origin(hint) in {typing.Union, types.UnionType}:
        rest = [arm for arm in typing.get_args(hint) if arm is not type(None)]
        return rest[0], True
    return hint, False


def _leaves(shape: type, above: str = "") -> Iterator[tuple[str, Any]]:
    """Every dotted key that one environment variable can set, with its type."""
    for name, hint in typing.get_type_hints(shape).items():
        inner, _ = _without_none(hint)
        if isinstance(inner, type) and dataclasses.is_dataclass(inner):
            yield from _leaves(inner, f"{above}{name}.")
        elif not _is_table_array(inner):
            yield f"{above}{name}", inner


def _is_table_array(hint: Any) -> bool:
    return typing.get_origin(hint) is tuple and dataclasses.is_dataclass(typing.get_args(hint)[0])


def _variable(key: str) -> str:
    return f"{PREFIX}_{key.replace('.', '_').upper()}"


def _hint_of(shape: type, key: str) -> Any:
    for known, hint in _leaves(shape):
        if known == key:
            return hint
    raise SettingsError(f'"{key}": unknown key{_nearest(key, [k for k, _ in _leaves(shape)])}')


def _from_text(text: str, hint: Any, place: str) -> Any:
    if typing.get_origin(hint) is tuple:
        inner = typing.get_args(hint)[0]
        return tuple(_from_text(p.strip(), inner, place) for p in text.split(",") if p.strip())
    if hint is bool:
        if text.lower() not in _TRUTHS:
            raise SettingsError(f"{place}: expected true or false, not {text!r}")
        return _TRUTHS[text.lower()]
    if hint in {int, float}:
        try:
            return hint(text)
        except ValueError:
            raise SettingsError(f"{place}: expected {_NAMES[hint]}, not {text!r}") from None
    return _convert(text, hint, place)


def _put(values: dict[str, Any], key: str, value: Any) -> None:
    *tables, name = key.split(".")
    for table in tables:
        values = values.setdefault(table, {})
    values[name] = value


def _merge(into: dict[str, Any], other: Mapping[str, Any]) -> None:
    for name, value in other.items():
        old = into.get(name)
        if isinstance(old, dict) and isinstance(value, Mapping):
            _merge(old, value)
        elif _holds_tables(old) and _holds_tables(value):
            into[name] = (*typing.cast("tuple[Any, ...]", old), *value)
        else:
            into[name] = value


def _holds_tables(value: object) -> bool:
    return isinstance(value, tuple) and bool(value) and isinstance(value[0], dict)


def _build(shape: type[T], values: Mapping[str, Any]) -> T:
    hints = typing.get_type_hints(shape)
    built = {name: _build_value(value, hints[name]) for name, value in values.items()}
    try:
        return shape(**built)
    except TypeError:
        missing = [
            f.name for f in dataclasses.fields(typing.cast("Any", shape)) if _lacks(f, built)
        ]
        raise SettingsError(f"missing setting: {', '.join(missing)}") from None
    except ValueError as error:
        raise SettingsError(str(error)) from None


def _lacks(field: dataclasses.Field[Any], built: Mapping[str, Any]) -> bool:
    no_default = (
        field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    )
    return no_default and field.name not in built


def _build_value(value: Any, hint: Any) -> Any:
    inner, _ = _without_none(hint)
    if isinstance(value, dict):
        return _build(inner, value)
    if _holds_tables(value):
        return tuple(_build(typing.get_args(inner)[0], item) for item in value)
    return value
