"""Stores that hold keys under a password, told by their headers: LUKS, DPAPI, KeePass."""

from lockgate.formats.rule_format import REACH_AFTER, RuleFormat
from lockgate.formats.sealed_store.prover import settle

FORMAT = RuleFormat("sealed_store", (0, REACH_AFTER), settle)
