"""Key files of Dropbear: the public blob of RFC 4253 with the private numbers behind it."""

from lockgate.formats.dropbear.prover import settle
from lockgate.formats.rule_format import REACH_AFTER, RuleFormat

FORMAT = RuleFormat("dropbear", (4, REACH_AFTER), settle)
