"""Keys and armour in hexadecimal digits: dumps, C arrays, colons, registry files."""

from lockgate.formats.hexadecimal.prover import settle
from lockgate.formats.rule_format import REACH_AFTER, RuleFormat

#: Bytes before an anchor in which the digits of the same run are looked for.
REACH_BEFORE = 1 << 10

FORMAT = RuleFormat("hexadecimal", (REACH_BEFORE, REACH_AFTER), settle)
