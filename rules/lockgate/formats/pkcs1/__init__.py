"""RSAPrivateKey of PKCS #1 in DER (RFC 8017, appendix A.1.2), also without its header."""

from lockgate.formats.pkcs1.prover import settle
from lockgate.formats.rule_format import REACH_AFTER, RuleFormat

FORMAT = RuleFormat("pkcs1", (4, REACH_AFTER), settle)
