"""Secret keys of minisign and of OpenBSD's signify."""

from lockgate.formats.minisign.prover import settle
from lockgate.formats.rule_format import RuleFormat

FORMAT = RuleFormat("minisign", (1, 1024), settle)
