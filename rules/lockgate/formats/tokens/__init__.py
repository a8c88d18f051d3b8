"""Access tokens of services, told by their fixed parts: one table, one prover."""

from lockgate.formats.tokens.prover import TokenFormat

FORMAT = TokenFormat()
