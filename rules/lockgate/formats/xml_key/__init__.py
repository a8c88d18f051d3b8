"""RSA and DSA keys in XML (XML Signature, .NET's ToXmlString, XKMS)."""

from lockgate.formats.rule_format import REACH_AFTER, RuleFormat
from lockgate.formats.xml_key.prover import BEFORE, settle

FORMAT = RuleFormat("xml_key", (BEFORE, REACH_AFTER), settle)
