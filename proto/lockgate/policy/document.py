"""YAML with positions: every complaint names file, line, key and the nearest known key.

Rules enforced here:

1. Only plain YAML: no aliases (a small file could unfold into a huge one), no repeated key,
   no tag, bounded size.
2. A key that is not known is an error, never ignored.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

import yaml

from lockgate.policy.model import PolicyError

E = TypeVar("E", bound=StrEnum)

_TAG = "tag:yaml.org,2002:"
_LARGEST_FILE = 1024 * 1024
_DURATION = re.compile(r"([1-9][0-9]{0,5})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True, slots=True)
class Value:
    """One node of a document that knows where it stands."""

    node: yaml.Node = field(repr=False)
    file: Path
    key: str

    def fault(self, why: str) -> PolicyError:
        """An error at this place."""
        mark = self.node.start_mark
        line = mark.line + 1 if mark else 0
        key = f'"{self.key}": ' if self.key else ""
        return PolicyError(f"{self.file}:{line}: {key}{why}")

    def table(self, known: Collection[str], required: Collection[str] = ()) -> dict[str, Value]:
        """The mapping at this place; only ``known`` keys, at least the ``required`` ones."""
        if not isinstance(self.node, yaml.MappingNode):
            raise self.fault("expected a mapping")
        found: dict[str, Value] = {}
        for name_node, node in self.node.value:
            name = str(name_node.value)
            here = Value(name_node, self.file, f"{self.key}.{name}".lstrip("."))
            if name not in known:
                close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.0)
                raise here.fault(f'unknown key; the nearest known key is "{close[0]}"')
            if name in found:
                raise here.fault("given twice")
            found[name] = Value(node, self.file, here.key)
        for name in required:
            if name not in found:
                raise self.fault(f'"{name}" is missing')
        return found

    def items(self) -> list[Value]:
        """The elements of the list at this place."""
        if not isinstance(self.node, yaml.SequenceNode):
            raise self.fault("expected a list")
        return [Value(n, self.file, f"{self.key}[{i}]") for i, n in enumerate(self.node.value)]

    def text(self, tag: str = "str") -> str:
        """The scalar at this place, of the YAML type ``tag``."""
        if (
            not isinstance(self.node, yaml.ScalarNode)
            or self.node.tag != f"tag:yaml.org,2002:{tag}"
        ):
            raise self.fault({"str": "expected text", "bool": "expected true or false"}[tag])
        return str(self.node.value)

    def truth(self) -> bool:
        """The boolean at this place."""
        return self.text("bool").lower() in {"true", "yes", "on"}

    def choice(self, words: type[E]) -> E:
        """The word at this place."""
        try:
            return words(self.text())
        except ValueError:
            choices = ", ".join(word.value for word in words)
            raise self.fault(f"not one of {choices}") from None

    def duration(self) -> timedelta:
        """The span at this place: a number and one of s, m, h, d."""
        match = _DURATION.fullmatch(self.text())
        if not match:
            raise self.fault('expected a time span such as "15m", "24h" or "7d"')
        return timedelta(**{_UNITS[match[2]]: int(match[1])})


def documents(path: Path) -> Iterator[tuple[Value, object]]:
    """Every document of a file, with its plain content.

    Raises:
        PolicyError: the file cannot be read, or is not plain YAML.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST_FILE + 1).decode("utf-8")
        if len(text) > _LARGEST_FILE:
            raise PolicyError(f"{path}: larger than {_LARGEST_FILE} bytes")
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                raise PolicyError(f"{path}: *{event.anchor}: aliases are not allowed")
        for node in yaml.compose_all(text, Loader=yaml.SafeLoader):
            if node is not None:
                yield Value(node, path, ""), yaml.safe_load(yaml.serialize(node))
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(f"{path}: cannot be read: {error}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise PolicyError(f"{path}: not plain YAML: {error}") from None
