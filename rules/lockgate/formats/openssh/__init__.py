"""openssh-key-v1: OpenSSH's own private key file (PROTOCOL.key), and its bare private fields."""

from lockgate.formats.openssh import prover, section
from lockgate.formats.rule_format import REACH_AFTER, RuleFormat
from lockgate.scan.evidence import Candidate, Judgement


def _settle(candidate: Candidate) -> Judgement:
    """A match of either rule."""
    settle = prover.settle if candidate.rule == "openssh_private" else section.settle
    return settle(candidate)


FORMAT = RuleFormat(prover.NAME, (0, REACH_AFTER), _settle)
