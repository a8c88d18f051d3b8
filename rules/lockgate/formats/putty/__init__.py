"""PuTTY's private key files (PPK), versions 1 to 3."""

from lockgate.formats.putty.prover import settle
from lockgate.formats.rule_format import REACH_AFTER, RuleFormat

FORMAT = RuleFormat("putty", (1, REACH_AFTER), settle)
