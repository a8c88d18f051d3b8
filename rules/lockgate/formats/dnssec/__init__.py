"""Private keys of DNSSEC in BIND's format (dnssec-keygen(8))."""

from lockgate.formats.dnssec.prover import settle
from lockgate.formats.rule_format import RuleFormat

FORMAT = RuleFormat("dnssec", (1, 16 << 10), settle)
