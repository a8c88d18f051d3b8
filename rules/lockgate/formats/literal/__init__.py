r"""Keys as string literals: ``b'0\x82\x04\xbd\x02\x01\x00'``, octal, ``\u00``, percent escapes."""

from lockgate.formats.literal.prover import settle
from lockgate.formats.rule_format import REACH_AFTER, RuleFormat

#: Bytes before an anchor in which the literal may begin.
REACH_BEFORE = 256

FORMAT = RuleFormat("literal", (REACH_BEFORE, REACH_AFTER), settle)
