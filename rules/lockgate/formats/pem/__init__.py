"""Private keys in textual armour (RFC 7468, RFC 1421), however the text was mangled."""

from lockgate.formats.pem.prover import settle
from lockgate.formats.rule_format import REACH_AFTER, RuleFormat

FORMAT = RuleFormat("pem", (1, REACH_AFTER), settle)
