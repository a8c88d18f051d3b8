"""The fixed bytes of YARA strings, read from the text of rules.

Rules enforced here:

1. A string is told only by bytes that stand in every match of it; what is not understood
   (other modifiers, unbounded repetition, no fixed run) makes the whole source unknown, and
   such rules are run over everything.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass

from lockgate.scan.literals import LEAST_LITERAL, LONGEST_MATCH

_COMMENT = re.compile(r"^\s*//.*$", re.MULTILINE)
_RULE = re.compile(r"(?m)^(?=rule\s)")
_OTHER = re.compile(r"(?m)^(?!rule\s)[ \t]*(?:[a-z]+ )?(?:rule|import|include)\s")
_STRING = re.compile(
    r"""\$\w*\s*=\s*(?:"(?P<text>(?:[^"\\]|\\.)*)"|/(?P<regex>(?:[^/\\]|\\.)+)/|"""
    r"""\{(?P<hex>[^}]*)\})(?P<modifiers>(?:[ \t]+(?:"""
    r"""ascii|wide|nocase|fullword|private|xor|base64|base64wide)\b)*)"""
)
_AT_START = re.compile(r"condition:\s*\$\w+ at 0(?: or \$\w+ at 0)*\s*\}")
#: Conditions that do not ask where in the data a string stands.
_CONDITION = re.compile(r"condition:\s*(?:any of them|\$\w+)\s*\}")
_HEX_TOKEN = re.compile(r"[0-9A-Fa-f]{2}|[0-9A-Fa-f?]{2}|\[[^\]]*\]|\([^()]*\)|\S")
_QUANTIFIER = re.compile(r"\{(\d+)(?:(,)(\d*))?\}|([?*+])")
_SPECIAL = re.compile(r"[.*+?()\[\]{}|^$]")
_ESCAPES = {"n": b"\n", "r": b"\r", "t": b"\t"}
_CLASS_ESCAPES = "wWsSdD"
_ZERO_WIDTH = "bB"
#: A class of single characters, or (without a group) any other.
_CLASS = re.compile(r"(?:((?:[^\]\\^-](?:-[^\]\\-])?)+)|\^?\]?(?:[^\]\\]|\\.)*)\]")
#: Different bytes, other than the commonest, that a run must have.
_LEAST_VALUES = 2
_ENOUGH_VALUES = 3
_COMMON = frozenset(b"\x00\xff")
_RANGE = re.compile(r"(.)-(.)")
#: Members of a class, and runs of a string, that are told apart.
_MOST_MEMBERS = 24
_MOST_RUNS = 200


@dataclass(frozen=True, slots=True)
class _Fixed:
    """Runs of fixed bytes, one of which is in every match, and the most bytes of a match.

    ``whole`` tells that the runs are all that the pattern matches, byte for byte.
    """

    runs: tuple[bytes, ...]
    longest: int
    whole: bool = False


_ONE_BYTE = _Fixed((), 1)
_NOTHING = _Fixed((b"",), 0, whole=True)


class _Sequence:
    """Collects what stands one after another; keeps the most telling runs."""

    def __init__(self) -> None:
        self._best: tuple[bytes, ...] = ()
        self._open: tuple[bytes, ...] = (b"",)
        self._whole = True
        self._longest = 0

    def add(self, item: _Fixed, least: int = 1, most: int = 1) -> None:
        """Append one item that is repeated so often."""
        self._longest += item.longest * most
        runs = item.runs if least else (b"", *item.runs)
        joined = tuple(dict.fromkeys(a + b for a in self._open for b in runs))
        joins = item.whole and (least or most == 1) and len(joined) <= _MOST_RUNS
        if joins:
            self._best = max(self._best, self._open, key=_rarity)
            self._open = joined
        if joins and most == 1:
            return
        self._whole = False
        self._close()
        if least and item.whole and most == 1:
            self._open = item.runs
        elif least:
            self._best = max(self._best, item.runs, key=_rarity)

    def done(self) -> _Fixed:
        """All that was added."""
        if self._whole:
            return _Fixed(self._open, self._longest, whole=True)
        self._close()
        return _Fixed(self._best, self._longest)

    def _close(self) -> None:
        self._best = max(self._best, self._open, key=_rarity)
        self._open = (b"",)


def _either(options: list[_Fixed]) -> _Fixed:
    runs = tuple(run for option in options for run in option.runs)
    every = all(option.runs for option in options)
    longest = max(option.longest for option in options)
    return _Fixed(runs if every else (), longest, whole=all(o.whole for o in options))


def split_rules(source: str) -> list[str]:
    """The rules of a source, each with what stands before the next one.

    A source with more than rules that begin their lines is given as one.
    """
    rules = [rule for rule in _RULE.split(source) if _RULE.match(rule)]
    return [source] if not rules or _OTHER.search(source) else rules


def is_for_the_start(rule: str) -> bool:
    """Whether every string of the rule must stand at the first byte of the data."""
    return _AT_START.search(rule) is not None


def literals_of(source: str) -> list[bytes] | None:
    """Runs of bytes for every string of the rules; None when one string has none."""
    if len(_CONDITION.findall(source)) != len(split_rules(source)):
        return None
    found: list[bytes] = []
    for string in _STRING.finditer(_COMMENT.sub("", source)):
        modifiers = set(string["modifiers"].split())
        fixed = _fixed(string, modifiers)
        if fixed is None or modifiers & {"xor"} or 2 * fixed.longest > LONGEST_MATCH:
            return None
        literals = [form for run in fixed.runs for form in _encoded(run, modifiers)]
        if not literals or not all(map(_is_telling, literals)):
            return None
        found += literals
    return found or None


def _encoded(literal: bytes, modifiers: set[str]) -> list[bytes]:
    """The literal in every encoding that the modifiers ask for."""
    in_base64 = modifiers & {"base64", "base64wide"}
    forms = _in_base64(literal) if in_base64 else [literal]
    wide = modifiers & {"wide", "base64wide"}
    narrow = not wide or modifiers & {"ascii", "base64"}
    return [
        *(forms if narrow else ()),
        *(b"\0".join(bytes((c,)) for c in form) for form in forms if wide),
    ]


def _in_base64(literal: bytes) -> list[bytes]:
    """The characters that stand for the literal alone, at each of the three alignments."""
    forms = []
    for lead, first in ((0, 0), (1, 2), (2, 3)):
        text = binascii.b2a_base64(bytes(lead) + literal + bytes(3), newline=False)
        forms.append(text[first : 8 * (lead + len(literal)) // 6])
    return forms


def _is_telling(literal: bytes) -> bool:
    """Whether bytes are rare enough to be looked for: zeros and short counts are everywhere."""
    return len(literal) >= LEAST_LITERAL and len(set(literal) - _COMMON) >= _LEAST_VALUES


def _rarity(runs: tuple[bytes, ...]) -> tuple[int, int, int]:
    """How rare the commonest of some runs is; of equally rare ones, few and long are better."""
    values = min((min(len(set(r) - _COMMON), len(r) - 1) for r in runs), default=-1)
    return min(values, _ENOUGH_VALUES), -len(runs), min(map(len, runs), default=0)


def _fixed(string: re.Match[str], modifiers: set[str]) -> _Fixed | None:
    try:
        if string["hex"] is not None:
            return _hex(string["hex"])
        pattern = string["regex"]
        if pattern is None:
            # In a quoted string only the backslash has a meaning.
            pattern = _SPECIAL.sub(r"\\\g<0>", string["text"])
        return _Pattern(pattern, any_case="nocase" in modifiers).read()
    except (IndexError, ValueError):
        return None


def _hex(text: str) -> _Fixed:
    """The tokens of a hex string.

    Raises:
        ValueError: a token is not understood.
    """
    sequence = _Sequence()
    for token in _HEX_TOKEN.findall(text):
        if token[0] == "[":
            sequence.add(_Fixed((), int(token.strip("[] ").split("-")[-1])))
        elif token[0] == "(":
            sequence.add(_either([_hex(option) for option in token[1:-1].split("|")]))
        elif "?" in token:
            sequence.add(_ONE_BYTE)
        else:
            sequence.add(_Fixed((bytes.fromhex(token),), 1, whole=True))
    return sequence.done()


def _members(group: str) -> str:
    """The characters of a class, its ranges spelt out."""
    return _RANGE.sub(lambda m: "".join(map(chr, range(ord(m[1]), ord(m[2]) + 1))), group)


class _Pattern:
    """A regular expression, read once from left to right."""

    def __init__(self, text: str, *, any_case: bool) -> None:
        self._text = text
        self._any_case = any_case
        self._at = 0

    def read(self) -> _Fixed:
        """The fixed bytes.

        Raises:
            IndexError, ValueError: the pattern is not understood.
        """
        fixed = self._alternatives()
        if self._at != len(self._text):
            raise ValueError("more than a pattern")
        return fixed

    def _alternatives(self) -> _Fixed:
        options = [self._sequence()]
        while self._peek() == "|":
            self._at += 1
            options.append(self._sequence())
        return _either(options)

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _next(self) -> str:
        self._at += 1
        return self._text[self._at - 1]

    def _sequence(self) -> _Fixed:
        sequence = _Sequence()
        while self._peek() not in {"", "|", ")"}:
            item = self._atom()
            sequence.add(item, *self._quantifier())
        return sequence.done()

    def _atom(self) -> _Fixed:
        match self._next():
            case "(":
                inner = self._alternatives()
                self._at += 1
                return inner
            case "[":
                return self._class()
            case "\\":
                return self._escape()
            case "^" | "$":
                return _NOTHING
            case ".":
                return _ONE_BYTE
            case char:
                return self._byte(char.encode())

    def _byte(self, char: bytes) -> _Fixed:
        if self._any_case and char.isalpha():
            return _Fixed((char.lower(), char.upper()), 1, whole=True)
        return _Fixed((char,), 1, whole=True)

    def _class(self) -> _Fixed:
        found = _CLASS.match(self._text, self._at)
        if found is None:
            raise ValueError("a class without end")
        self._at = found.end()
        members = _members(found[1] or "")
        if not members or len(members) > _MOST_MEMBERS or self._any_case:
            return _ONE_BYTE
        return _Fixed(tuple(c.encode() for c in members), 1, whole=True)

    def _escape(self) -> _Fixed:
        char = self._next()
        if char in _CLASS_ESCAPES:
            return _ONE_BYTE
        if char in _ZERO_WIDTH:
            return _NOTHING
        if char == "x":
            self._at += 2
            return self._byte(bytes.fromhex(self._text[self._at - 2 : self._at]))
        return self._byte(_ESCAPES.get(char, char.encode()))

    def _quantifier(self) -> tuple[int, int]:
        """Least and most repetitions; 1 and 1 without a quantifier."""
        found = _QUANTIFIER.match(self._text, self._at)
        if found is None:
            return 1, 1
        self._at = found.end()
        if self._peek() == "?":
            self._at += 1  # as few as possible
        if found[4]:
            return (0, 1) if found[4] == "?" else (int(found[4] == "+"), LONGEST_MATCH + 1)
        least = int(found[1])
        if not found[2]:
            return least, least
        return least, int(found[3]) if found[3] else LONGEST_MATCH + 1
