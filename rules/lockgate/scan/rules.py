"""The rule pack: the YARA rules of all formats, compiled together and run over blocks.

Rules enforced here:

1. A rule that matched too often, a timeout or any error of the rule engine is reported to the
   caller, who records a gap; it never looks like "no match".
2. The pack's identity covers every rule source and the version of the provers.
3. Rules whose strings all hold fixed bytes are run over the parts of the data that hold these
   only, rules about the first byte over its first bytes; what is found is the same
   (``lockgate.scan.literals``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import yara

from lockgate.scan import native
from lockgate.scan.literals import LONGEST_MATCH, Literals
from lockgate.scan.rule_strings import is_for_the_start, literals_of, split_rules

#: Data shorter than this is looked at whole: parting the rules takes longer.
_WORTH_PARTING = 64 << 10


@dataclass(frozen=True, slots=True)
class Match:
    """One string match: the rule's namespace, its name, the string's name, and the place."""

    namespace: str
    rule: str
    string: str
    start: int
    length: int


class RuleError(Exception):
    """The rule engine gave no complete answer for one block."""


@dataclass(frozen=True, slots=True)
class _Parted:
    """Rules about the first byte, rules for all of the data, rules for parts of it."""

    first: yara.Rules
    everywhere: yara.Rules | None
    gated: yara.Rules
    literals: Literals


class RulePack:
    """Compiled rules, one namespace for each source."""

    def __init__(self, sources: Mapping[str, str], version: str) -> None:
        """Compile ``sources`` (namespace to YARA text).

        Raises:
            RuleError: a source does not compile.
        """
        self.identity = identity_of(sources, version)
        self._sources = dict(sources)
        self._all = _compile(self._sources)

    def matches(self, data: memoryview, seconds: int) -> Iterator[Match]:
        """All matches in ``data``.

        Raises:
            RuleError: after all matches that were found, when there may be more.
        """
        error: RuleError | None = None
        for rules, start, stop in self._runs(data):
            try:
                yield from _matches(rules, data[start:stop], start, seconds)
            except RuleError as fault:
                error = fault
        if error is not None:
            raise error

    def _runs(self, data: memoryview) -> Iterator[tuple[yara.Rules, int, int]]:
        """Which rules to run over which part of the data."""
        if len(data) < _WORTH_PARTING or not native.is_loaded():
            yield self._all, 0, len(data)
            return
        parted = self._parted
        yield parted.first, 0, LONGEST_MATCH
        if parted.everywhere is not None:
            yield parted.everywhere, 0, len(data)
        for start, stop in parted.literals.parts(data):
            yield parted.gated, start, stop

    @cached_property
    def _parted(self) -> _Parted:
        return _part(self._sources)


def identity_of(sources: Mapping[str, str], version: str) -> str:
    """The identity of the pack with these sources and provers, without compiling it."""
    digest = hashlib.sha256(version.encode())
    for namespace, source in sorted(sources.items()):
        digest.update(b"\0" + namespace.encode() + b"\0" + source.encode())
    return "sha256:" + digest.hexdigest()


def _part(sources: Mapping[str, str]) -> _Parted:
    first: dict[str, str] = {}
    everywhere: dict[str, str] = {}
    gated: dict[str, str] = {}
    literals: list[bytes] = []
    for namespace, source in sources.items():
        for rule in split_rules(source):
            fixed = literals_of(rule)
            chosen = first if is_for_the_start(rule) else gated if fixed else everywhere
            chosen[namespace] = chosen.get(namespace, "") + rule
            literals += fixed or ()
    rest = _compile(everywhere) if everywhere else None
    return _Parted(_compile(first), rest, _compile(gated), Literals(literals))


def _compile(sources: Mapping[str, str]) -> yara.Rules:
    try:
        return yara.compile(sources=dict(sources))
    except yara.Error as error:
        raise RuleError(str(error)) from None


def _matches(rules: yara.Rules, data: memoryview, offset: int, seconds: int) -> Iterator[Match]:
    """All matches in ``data``, which begins at ``offset`` of the whole, ordered by rule.

    Raises:
        RuleError: as :meth:`RulePack.matches`.
    """
    warnings: list[int] = []

    def warn(kind: int, _message: object) -> int:
        warnings.append(kind)
        return int(yara.CALLBACK_CONTINUE)

    try:
        found = rules.match(data=data, timeout=seconds, warnings_callback=warn)
    except yara.Error as error:
        raise RuleError(str(error)) from None
    for match in found:
        for string in match.strings:
            for place in string.instances:
                yield Match(
                    match.namespace,
                    match.rule,
                    string.identifier,
                    offset + place.offset,
                    place.matched_length,
                )
    if warnings:
        raise RuleError("a rule matched too often")
