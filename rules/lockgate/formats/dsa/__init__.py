"""DSA private keys in the traditional form of OpenSSL: six INTEGERs in a SEQUENCE."""

from lockgate.formats.dsa.prover import settle
from lockgate.formats.rule_format import REACH_AFTER, RuleFormat

FORMAT = RuleFormat("dsa", (4, REACH_AFTER), settle)
