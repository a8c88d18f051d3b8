"""JSON Web Keys and sets of them (RFC 7517, RFC 7518, RFC 8037)."""

from lockgate.formats.jwk.prover import BEFORE, settle
from lockgate.formats.rule_format import REACH_AFTER, RuleFormat

FORMAT = RuleFormat("jwk", (BEFORE, REACH_AFTER), settle)
