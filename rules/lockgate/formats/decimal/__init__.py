"""Keys and armour as lists of decimal numbers: arrays of JSON, Java, Rust, Go and Python."""

from lockgate.formats.decimal.prover import settle
from lockgate.formats.rule_format import REACH_AFTER, RuleFormat

#: Bytes before an anchor in which the first numbers of the same list are looked for.
REACH_BEFORE = 1 << 10

FORMAT = RuleFormat("decimal", (REACH_BEFORE, REACH_AFTER), settle)
