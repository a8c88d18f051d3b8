"""PKCS #12 stores (RFC 7292)."""

from lockgate.formats.pkcs12.prover import settle
from lockgate.formats.rule_format import REACH_AFTER, RuleFormat

FORMAT = RuleFormat("pkcs12", (4, REACH_AFTER), settle)
