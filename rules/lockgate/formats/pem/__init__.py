"""Private keys in textual armour (RFC 7468, RFC 1421), however the text was mangled."""

from lockgate.formats.pem.prover import settle
from lockgate.formats.rule_format import REACH_AFTER, RuleFormat

#: Bytes before an END line in which what is left of its key is looked for.
REACH_BEFORE = 32 << 10

FORMAT = RuleFormat("pem", (REACH_BEFORE, REACH_AFTER), settle)
