"""Keystores of Java before PKCS #12: JKS and JCEKS of Sun, BKS of Bouncy Castle."""

from lockgate.formats.java_keystore.prover import settle
from lockgate.formats.rule_format import REACH_AFTER, RuleFormat

FORMAT = RuleFormat("java_keystore", (0, REACH_AFTER), settle)
