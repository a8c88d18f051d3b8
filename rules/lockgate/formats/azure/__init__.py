"""Keys and signatures of Microsoft Azure that can be told offline."""

from lockgate.formats.azure.prover import AROUND, settle
from lockgate.formats.rule_format import RuleFormat

FORMAT = RuleFormat("azure", (2 * AROUND, 2 * AROUND), settle)
