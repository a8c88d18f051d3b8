"""Access keys of Amazon Web Services: the identifier and its secret."""

from lockgate.formats.aws.prover import AROUND, settle
from lockgate.formats.rule_format import RuleFormat

FORMAT = RuleFormat("aws", (2 * AROUND, 2 * AROUND), settle)
