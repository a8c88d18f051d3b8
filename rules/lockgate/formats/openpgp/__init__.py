"""OpenPGP secret keys (RFC 1991, RFC 4880, RFC 9580, LibrePGP)."""

from lockgate.formats.openpgp.prover import BEFORE, settle
from lockgate.formats.rule_format import REACH_AFTER, RuleFormat

FORMAT = RuleFormat("openpgp", (BEFORE, REACH_AFTER), settle)
