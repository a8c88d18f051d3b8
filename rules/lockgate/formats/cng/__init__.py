"""Key blobs of Cryptography API: Next Generation (bcrypt.h)."""

from lockgate.formats.cng.prover import settle
from lockgate.formats.rule_format import REACH_AFTER, RuleFormat

FORMAT = RuleFormat("cng", (0, REACH_AFTER), settle)
