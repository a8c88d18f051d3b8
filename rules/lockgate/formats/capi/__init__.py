"""PRIVATEKEYBLOB of CryptoAPI, alone or in a PVK file ([MS-RSMC] and wincrypt.h)."""

from lockgate.formats.capi.prover import settle
from lockgate.formats.rule_format import REACH_AFTER, RuleFormat

FORMAT = RuleFormat("capi", (24, REACH_AFTER), settle)
