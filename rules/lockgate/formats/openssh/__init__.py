"""openssh-key-v1: OpenSSH's own private key file (PROTOCOL.key), without its armour."""

from lockgate.formats.openssh.prover import settle
from lockgate.formats.rule_format import REACH_AFTER, RuleFormat

FORMAT = RuleFormat("openssh", (0, REACH_AFTER), settle)
