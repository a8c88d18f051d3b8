"""What an expression may cost at worst: estimated when it is loaded, from its checked tree.

Rules enforced here:

1. The engine cannot be interrupted, and bounds the steps of one evaluation but not the work
   of a step; so an expression whose worst case is too long is refused before it ever runs.
2. The estimate is from the bounds of the messages' fields (``lockgate.wire.bounds``), never
   from a message: the same expression costs the same everywhere.
3. It errs upwards; what it cannot tell counts as the largest it may be.

The tree is a ``cel.expr.CheckedExpr`` (cel-spec, proto/cel/expr/checked.proto and
syntax.proto), of which the few fields read here are described below. A unit is about ten
nanoseconds, measured.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor

from lockgate.wire.bounds import BOUNDS

#: Units that one expression may cost at worst: about a second.
LARGEST = 100_000_000
#: Iterations of all comprehensions of one evaluation, a constant of the engine.
MOST_ITERATIONS = 10_000

_LARGEST_TEXT = 4096
_CALL = 2
_LIST_ITEM = 25
_COPIED = 12  # an item of the list that map or filter makes, copied at every step
_REGEX = 500
_REGEX_ITEM = 32
_CHEAP = frozenset(
    {"_&&_", "_||_", "!_", "_?_:_", "_[_]", "@not_strictly_false", "_-_", "-_", "_*_", "_/_", "_%_"}
)
_ACCUMULATOR = "@result"
_SEARCH = frozenset({"contains", "startsWith", "endsWith"})

_OPTIONAL, _REPEATED = 1, 3
_FIELD_TYPES = {"string": 9, "bytes": 12, "int64": 3, "int32": 5}
#: message -> field -> (number, type, repeated)
_TREE: dict[str, dict[str, tuple[int, str, bool]]] = {
    "Checked": {"types": (3, "TypeEntry", True), "expr": (4, "Expr", False)},
    "TypeEntry": {"key": (1, "int64", False), "value": (2, "Type", False)},
    "Type": {
        "primitive": (5, "int32", False),
        "list_type": (6, "ListType", False),
        "message_type": (9, "string", False),
    },
    "ListType": {"element": (1, "Type", False)},
    "Expr": {
        "id": (2, "int64", False),
        "constant": (3, "Constant", False),
        "ident": (4, "Ident", False),
        "select": (5, "Select", False),
        "call": (6, "Call", False),
        "list": (7, "List", False),
        "struct": (8, "Struct", False),
        "comprehension": (9, "Comprehension", False),
    },
    "Constant": {"string": (6, "string", False), "bytes": (7, "bytes", False)},
    "Ident": {"name": (1, "string", False)},
    "Select": {"operand": (1, "Expr", False), "field": (2, "string", False)},
    "Call": {
        "target": (1, "Expr", False),
        "function": (2, "string", False),
        "args": (3, "Expr", True),
    },
    "List": {"elements": (1, "Expr", True)},
    "Struct": {"entries": (2, "Entry", True)},
    "Entry": {"map_key": (3, "Expr", False), "value": (4, "Expr", False)},
    "Comprehension": {
        "range": (2, "Expr", False),
        "accumulator": (4, "Expr", False),
        "condition": (5, "Expr", False),
        "step": (6, "Expr", False),
        "result": (7, "Expr", False),
    },
}


@dataclass(frozen=True, slots=True)
class _Size:
    """How large a value may be: characters of text or items of a list, and all there is in it."""

    items: int = 1
    deep: int = 1


@dataclass(frozen=True, slots=True)
class _Cost:
    """``flat``: units outside comprehensions; ``looped``: inside, counted out.

    ``heaviest``: units of the heaviest single iteration, without those nested in it.
    """

    flat: int = 0
    looped: int = 0
    heaviest: int = 0

    def __add__(self, other: _Cost) -> _Cost:
        return _Cost(
            self.flat + other.flat,
            self.looped + other.looped,
            max(self.heaviest, other.heaviest),
        )

    @property
    def worst(self) -> int:
        """Units of the worst evaluation."""
        return self.flat + min(self.looped, MOST_ITERATIONS * self.heaviest)


def worst_case(serialized: bytes) -> int:
    """Units that the expression with this checked tree may cost; see :data:`LARGEST`."""
    any_type = b"type.googleapis.com/cel.expr.CheckedExpr"
    if any_type not in serialized[:64]:
        raise ValueError("not a checked expression")
    packed = _message("Any").FromString(serialized).value
    checked = _message("Checked").FromString(packed)
    estimate = _Estimate({entry.key: entry.value for entry in checked.types})
    return estimate.cost(checked.expr).worst


@cache
def _message(name: str) -> Any:
    pool = descriptor_pool.DescriptorPool()
    file = descriptor_pb2.FileDescriptorProto(
        name="tree.proto", package="lockgate.tree", syntax="proto3"
    )
    outer = {"Any": {"value": (2, "bytes", False)}}
    for message, fields in {**outer, **_TREE}.items():
        described = file.message_type.add(name=message)
        for field, (number, kind, repeated) in fields.items():
            described.field.add(
                name=field,
                number=number,
                type=_FIELD_TYPES.get(kind, 11),
                type_name=None if kind in _FIELD_TYPES else f".lockgate.tree.{kind}",
                label=_REPEATED if repeated else _OPTIONAL,
            )
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"lockgate.tree.{name}"))


@dataclass(frozen=True, slots=True)
class _Estimate:
    """The estimate of one tree, whose nodes have these types."""

    types: dict[int, Any]

    def cost(self, node: Any) -> _Cost:
        """The cost of evaluating ``node``."""
        if node.HasField("comprehension"):
            return self._comprehension(node.comprehension)
        inner = sum((self.cost(child) for child in _children(node)), _Cost())
        own = self._call(node.call) if node.HasField("call") else 1
        return inner + _Cost(flat=own + _LIST_ITEM * len(node.list.elements))

    def _comprehension(self, loop: Any) -> _Cost:
        body = self.cost(loop.condition) + self.cost(loop.step)
        around = self.cost(loop.range) + self.cost(loop.accumulator) + self.cost(loop.result)
        times = self._size(loop.range).items
        copied = _COPIED * times if loop.accumulator.HasField("list") else 0
        return around + _Cost(
            looped=times * (body.flat + body.looped + copied),
            heaviest=max(body.flat + copied, body.heaviest),
        )

    def _call(self, call: Any) -> int:
        """Units of the call itself, its arguments aside."""
        name = call.function
        arguments = [*([call.target] if call.HasField("target") else []), *call.args]
        if name in _CHEAP:
            return _CALL
        sizes = [self._size(argument) for argument in arguments]
        lists = [self._type(argument).HasField("list_type") for argument in arguments]
        if name == "matches":
            return _matching(arguments[-1], sizes[0].items, sizes[-1].items)
        if name in _SEARCH:
            return _CALL + 2 * sizes[0].items
        if name == "size":
            return _CALL if lists[0] else _CALL + sizes[0].items
        if name == "_+_":
            return _CALL + sum(s.items for s in sizes) * (_LIST_ITEM if any(lists) else 2)
        if name in {"_==_", "_!=_"}:
            return _CALL + min(s.deep for s in sizes)
        if name == "@in":
            return _CALL + min(sizes[1].deep, sizes[1].items * (_CALL + sizes[0].deep))
        return _CALL + sum(s.items for s in sizes)

    def _size(self, node: Any) -> _Size:
        """How large the value of ``node`` may be."""
        if node.HasField("constant"):
            length = max(1, len(node.constant.string), len(node.constant.bytes))
            return _Size(length, length)
        if node.HasField("select"):
            return self._field_size(node)
        if node.HasField("list"):
            parts = [self._size(element) for element in node.list.elements]
            return _Size(len(parts), sum(s.deep for s in parts))
        if node.HasField("comprehension"):
            return self._made(node.comprehension)
        if node.HasField("ident") and node.ident.name == _ACCUMULATOR:
            return _Size()  # counted where it is made
        if node.HasField("call") and node.call.function == "_+_":
            parts = [self._size(argument) for argument in node.call.args]
            return _Size(sum(s.items for s in parts), sum(s.deep for s in parts))
        return self._of_type(node)

    def _made(self, loop: Any) -> _Size:
        """A list made by map or filter; a truth value is smaller."""
        items = min(self._size(loop.range).items, MOST_ITERATIONS)
        largest = max((self._size(each).deep for each in _leaves(loop.step)), default=1)
        return _Size(items, items * largest)

    def _field_size(self, node: Any) -> _Size:
        owner = self._type(node.select.operand).message_type
        if owner.startswith("lockgate.v1."):
            descriptor = descriptor_pool.Default().FindMessageTypeByName(owner)
            field = descriptor.fields_by_name.get(node.select.field)
            if field is not None:
                return _field_size(field)
        return self._of_type(node)

    def _of_type(self, node: Any) -> _Size:
        kind = self._type(node)
        if kind.message_type.startswith("lockgate.v1."):
            descriptor = descriptor_pool.Default().FindMessageTypeByName(kind.message_type)
            return _Size(1, _message_size(descriptor))
        if kind.HasField("list_type"):
            return _Size(MOST_ITERATIONS, MOST_ITERATIONS * _LARGEST_TEXT)
        text = kind.primitive in {5, 6}  # Type.PrimitiveType STRING and BYTES
        return _Size(_LARGEST_TEXT, _LARGEST_TEXT) if text else _Size()

    def _type(self, node: Any) -> Any:
        return self.types.get(node.id) or _message("Type")()


def _matching(pattern: Any, text: int, length: int) -> int:
    """Units of one ``matches``: the pattern is compiled anew, then run over the text."""
    weight = length
    if pattern.HasField("constant"):
        repeats = [int(high) for high in re.findall(r"(\d+)\}", pattern.constant.string)]
        weight += 4 * sum(repeats)
        if ")" in pattern.constant.string:
            weight = length * max(1, math.prod(repeats))
    return _REGEX + _REGEX_ITEM * weight + text * (1 + weight // 10)


def _children(node: Any) -> list[Any]:
    if node.HasField("select"):
        return [node.select.operand]
    if node.HasField("call"):
        return [*([node.call.target] if node.call.HasField("target") else []), *node.call.args]
    if node.HasField("list"):
        return list(node.list.elements)
    parts = [(entry.map_key, entry.value) for entry in node.struct.entries]
    return [part for pair in parts for part in pair]


def _leaves(node: Any) -> list[Any]:
    """The values that a step of a comprehension puts into the list it makes."""
    if node.HasField("call"):
        return [leaf for child in _children(node) for leaf in _leaves(child)]
    if node.HasField("list"):
        return list(node.list.elements)
    return [] if node.HasField("ident") and node.ident.name == _ACCUMULATOR else [node]


def _field_size(field: Any) -> _Size:
    bound = BOUNDS.get(f"{field.containing_type.name}.{field.name}")
    single = 1
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        single = _message_size(field.message_type)
    elif field.type in {FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES}:
        single = max(1, bound.high if bound else _LARGEST_TEXT)
    if field.is_repeated:
        items = (bound.items if bound else None) or MOST_ITERATIONS
        return _Size(items, items * single)
    text = field.type != FieldDescriptor.TYPE_MESSAGE
    return _Size(single if text else 1, single)


@cache
def _message_size(descriptor: Any) -> int:
    return 1 + sum(_field_size(field).deep for field in descriptor.fields)
