// RSAPrivateKey: the version INTEGER followed by a modulus of 512 bits or more, or by a
// smaller one right after a SEQUENCE header. Anchored on the version, because 30 82 is in
// every DER file; the prover walks back to the header.
rule pkcs1_private
{
  strings:
    $long   = { 02 01 ( 00 | 01 ) 02 82 ( 01 | 02 | 03 | 04 | 05 | 06 | 07 | 08 ) ?? }
    $medium = { 30 82 ?? ?? 02 01 ( 00 | 01 ) 02 81 ?? }
    $small  = { 30 8? ?? [0-1] 02 01 00 02 ( 40 | 41 | 5? | 6? | 7? ) }
    $tiny   = { 30 81 ?? 02 01 00 02 ( 20 | 21 | 2? | 3? ) }
  condition:
    any of them
}
