"""Keys in base64 without armour, and armour in base64 (RFC 4648)."""

from lockgate.formats.base64.prover import settle
from lockgate.formats.rule_format import REACH_AFTER, RuleFormat

#: Bytes before an anchor in which its line and the label of an armour are looked for.
REACH_BEFORE = 4 << 10

FORMAT = RuleFormat("base64", (REACH_BEFORE, REACH_AFTER), settle)
