"""ECPrivateKey of SEC 1, section C.4 (RFC 5915), in DER."""

from lockgate.formats.rule_format import RuleFormat
from lockgate.formats.sec1.prover import settle

FORMAT = RuleFormat("sec1", (4, 2048), settle)
