"""Keytabs and credential caches of MIT Kerberos, whole files."""

from lockgate.formats.kerberos.prover import settle
from lockgate.formats.rule_format import REACH_AFTER, RuleFormat

FORMAT = RuleFormat("kerberos", (0, REACH_AFTER), settle)
