"""age identities (C2SP age; Bech32 of BIP 173)."""

from lockgate.formats.age.prover import settle
from lockgate.formats.rule_format import RuleFormat

FORMAT = RuleFormat("age", (1, 512), settle)
