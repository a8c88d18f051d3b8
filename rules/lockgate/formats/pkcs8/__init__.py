"""PrivateKeyInfo and EncryptedPrivateKeyInfo in DER (RFC 5208, RFC 5958, RFC 8410)."""

from lockgate.formats.pkcs8.prover import settle
from lockgate.formats.rule_format import REACH_AFTER, RuleFormat

FORMAT = RuleFormat("pkcs8", (4, REACH_AFTER), settle)
