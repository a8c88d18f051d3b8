"""JSON Web Tokens (RFC 7519) that are signed, also those of Kubernetes service accounts."""

from lockgate.formats.jwt.prover import BEFORE, settle
from lockgate.formats.rule_format import RuleFormat

FORMAT = RuleFormat("jwt", (2 * BEFORE, 32 << 10), settle)
