// ECPrivateKey: version 1 and a private key of the size of a supported curve.
rule sec1_private
{
  strings:
    $small = { 30 ?? 02 01 01 04 ( 18 | 1C | 20 | 30 ) }
    $large = { 30 81 ?? 02 01 01 04 ( 18 | 1C | 20 | 30 | 40 | 41 | 42 ) }
    $spelt = { 30 82 ?? ?? 02 01 01 04 ( 18 | 1C | 20 | 30 | 40 | 41 | 42 ) }
  condition:
    any of them
}
