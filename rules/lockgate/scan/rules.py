"""The rule pack: the YARA rules of all formats, compiled together and run over blocks.

Rules enforced here:

1. A rule that matched too often, a timeout or any error of the rule engine is reported to the
   caller, who records a gap; it never looks like "no match".
2. The pack's identity covers every rule source and the version of the provers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import yara


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


class RulePack:
    """Compiled rules, one namespace for each source."""

    def __init__(self, sources: Mapping[str, str], version: str) -> None:
        """Compile ``sources`` (namespace to YARA text).

        Raises:
            RuleError: a source does not compile.
        """
        digest = hashlib.sha256(version.encode())
        for namespace, source in sorted(sources.items()):
            digest.update(b"\0" + namespace.encode() + b"\0" + source.encode())
        self.identity = "sha256:" + digest.hexdigest()
        try:
            self._rules = yara.compile(sources=dict(sources))
        except yara.Error as error:
            raise RuleError(str(error)) from None

    def matches(self, data: memoryview, seconds: int) -> Iterator[Match]:
        """All matches in ``data``, ordered by rule.

        Raises:
            RuleError: after all matches that were found, when there may be more.
        """
        warnings: list[int] = []

        def warn(kind: int, _message: object) -> int:
            warnings.append(kind)
            return int(yara.CALLBACK_CONTINUE)

        try:
            found = self._rules.match(data=data, timeout=seconds, warnings_callback=warn)
        except yara.Error as error:
            raise RuleError(str(error)) from None
        for match in found:
            for string in match.strings:
                for place in string.instances:
                    yield Match(
                        match.namespace,
                        match.rule,
                        string.identifier,
                        place.offset,
                        place.matched_length,
                    )
        if warnings:
            raise RuleError("a rule matched too often")
