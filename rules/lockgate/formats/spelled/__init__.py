"""Private numbers spelt out: ``openssl -text``, certtool, asn1parse, debug prints of programs."""

from lockgate.formats.rule_format import RuleFormat
from lockgate.formats.spelled.prover import BEFORE, settle

FORMAT = RuleFormat("spelled", (BEFORE, 32 << 10), settle)
