"""Bitcoin's extended private keys (BIP 32) and wallet import format."""

from lockgate.formats.bitcoin.prover import settle
from lockgate.formats.rule_format import RuleFormat

FORMAT = RuleFormat("bitcoin", (512, 512), settle)
