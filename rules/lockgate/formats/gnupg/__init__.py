"""Libgcrypt's private keys in S-expressions, as gpg-agent keeps them (private-keys-v1.d)."""

from lockgate.formats.gnupg.prover import settle
from lockgate.formats.rule_format import REACH_AFTER, RuleFormat

FORMAT = RuleFormat("gnupg", (1, REACH_AFTER), settle)
