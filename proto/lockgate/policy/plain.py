"""Plain YAML: the nodes of a text that is shallow, small and says everything where it stands.

Rules enforced here:

1. No aliases (a small text could unfold into a huge one), no tags, a bounded depth and a bounded
   number of nodes. What breaks a rule is refused where it stands, before the rest is read.
2. Nothing but texts and truth values is made of nodes: a number in base 60 or an impossible date
   costs nothing and fails nobody.
3. Every complaint has a line and a column.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn

import yaml

#: Levels and nodes of one file; a rule of a policy has a dozen nodes at five levels.
DEEPEST = 24
MOST_NODES = 20_000

_TAG = "tag:yaml.org,2002:"
_TRUTHS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


class UnplainError(Exception):
    """The text is not plain YAML; ``line`` and ``column`` count from 1."""

    def __init__(self, why: str, line: int, column: int) -> None:
        super().__init__(why)
        self.line = line
        self.column = column


def nodes(text: str) -> Iterator[yaml.Node]:
    """The root of every document of ``text`` that is not empty.

    Raises:
        UnplainError: the rest of it is not plain.
    """
    try:
        for node in yaml.compose_all(text, Loader=_Loader):
            if node is not None and not _is_empty(node):
                yield node
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        _refuse_at("a character that has no place in a text", before)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        _refuse(str(error.problem), mark)


def truth_of(node: yaml.ScalarNode) -> bool | None:
    """The truth value that a node is; None: it is none."""
    return _TRUTHS.get(str(node.value).lower()) if node.tag == f"{_TAG}bool" else None


def content_of(node: yaml.Node) -> Any:
    """What a node says, as texts, truth values, lists and mappings."""
    if isinstance(node, yaml.MappingNode):
        return {str(key.value): content_of(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [content_of(each) for each in node.value]
    assert isinstance(node, yaml.ScalarNode)
    truth = truth_of(node)
    return str(node.value) if truth is None else truth


def is_text(node: yaml.Node) -> bool:
    """Whether a node is a text."""
    return isinstance(node, yaml.ScalarNode) and node.tag == f"{_TAG}str"


class _Loader(yaml.SafeLoader):
    """Composes nodes, and stops at the first that breaks a rule."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._levels = 0
        self._count = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """The next node."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            _refuse(f"*{event.anchor}: aliases are not allowed", event.start_mark)
        if getattr(event, "tag", None) is not None:
            _refuse("tags are not allowed", event.start_mark)
        self._count += 1
        if self._count > MOST_NODES:
            _refuse(f"more than {MOST_NODES} values", event.start_mark)
        if self._levels >= DEEPEST:
            _refuse(f"more than {DEEPEST} levels", event.start_mark)
        self._levels += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._levels -= 1


def _is_empty(node: yaml.Node) -> bool:
    """Whether a document holds nothing, as after a last ``---``."""
    return isinstance(node, yaml.ScalarNode) and node.tag == f"{_TAG}null" and not node.value


def _refuse(why: str, mark: Any) -> NoReturn:
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    raise UnplainError(f"not plain YAML: {why}", line, column) from None


def _refuse_at(why: str, before: str) -> NoReturn:
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    raise UnplainError(f"not plain YAML: {why}", line, column) from None
