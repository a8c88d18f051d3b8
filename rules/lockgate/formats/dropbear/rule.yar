// The name of the algorithm as a string of RFC 4251, and the length of what follows it.
rule dropbear_private
{
  strings:
    $rsa     = { 00 00 00 07 73 73 68 2D 72 73 61 00 00 00 ( 01 | 03 | 04 ) }
    $dss     = { 00 00 00 07 73 73 68 2D 64 73 73 00 00 00 ( 81 | 41 | 61 ) 00 }
    $ecdsa   = { 00 00 00 13 65 63 64 73 61 2D 73 68 61 32 2D 6E 69 73 74 70 }
    $ed25519 = { 00 00 00 0B 73 73 68 2D 65 64 32 35 35 31 39 00 00 00 40 }
  condition:
    any of them
}
