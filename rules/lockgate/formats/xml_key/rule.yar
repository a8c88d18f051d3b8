// The modulus of an RSA key, the element of a DSA key; also where the markup is escaped.
rule xml_key_numbers
{
  strings:
    $rsa     = "Modulus>" ascii wide
    $rsahtml = "Modulus&gt;" ascii wide
    $rsajson = "Modulus\\u003" ascii wide
    $dsa     = "DSAKeyValue>" ascii wide
    $dsahtml = "DSAKeyValue&gt;" ascii wide
    $dsajson = "DSAKeyValue\\u003" ascii wide
  condition:
    any of them
}
