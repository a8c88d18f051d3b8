"""WireGuard's private and preshared keys in configurations."""

from lockgate.formats.rule_format import RuleFormat
from lockgate.formats.wireguard.prover import BEFORE, settle

FORMAT = RuleFormat("wireguard", (BEFORE, 512), settle)
