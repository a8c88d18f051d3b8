"""Whether the public half of a waiting candidate stands anywhere in the same file.

Rule enforced here: a prefix followed by any bytes parses as a key (RFC 8410), so such a
candidate becomes a finding only when its public key is seen elsewhere or is registered.
"""

from __future__ import annotations

from collections.abc import Iterable

from lockgate.scan.blocks import Block
from lockgate.scan.rules import RulePack

_SPACE = "lockgate.publics"


class PublicSearch:
    """Looks for fixed public values in blocks."""

    def __init__(self, values: Iterable[bytes], known: frozenset[bytes], seconds: int) -> None:
        wanted = sorted(set(values))
        self.seen = {value for value in wanted if value in known}
        self._by_rule = {
            f"value_{i}": value
            for i, value in enumerate(wanted)
            if value and value not in self.seen
        }
        rules = "\n".join(
            f"rule {name} {{ strings: $a = {{ {value.hex(' ')} }} condition: $a }}"
            for name, value in self._by_rule.items()
        )
        self._pack = RulePack({_SPACE: rules}, "") if self._by_rule else None
        self._seconds = seconds

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to look for."""
        return self._pack is not None

    def block(self, block: Block) -> None:
        """Look through one block.

        Raises:
            RuleError: the rule engine gave no complete answer.
        """
        if self._pack is None:
            return
        for match in self._pack.matches(memoryview(block.data)[block.start :], self._seconds):
            self.seen.add(self._by_rule[match.rule])
