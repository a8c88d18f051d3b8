"""Key logs of TLS sessions (the NSS key log format, SSLKEYLOGFILE)."""

from lockgate.formats.keylog.prover import settle
from lockgate.formats.rule_format import RuleFormat

FORMAT = RuleFormat("keylog", (2, 1024), settle)
