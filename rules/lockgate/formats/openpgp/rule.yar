// What stands at a fixed distance from the head of a key packet: the usual exponent of an RSA
// key behind its modulus; version, time, algorithm and curve of the others. Public key packets
// begin alike; the prover looks at the packet's tag.
rule openpgp_rsa
{
  strings:
    $exponent = { 00 11 01 00 01 }
  condition:
    any of them
}

rule openpgp_material
{
  strings:
    $ed25519    = { 04 ?? ?? ?? ?? 16 09 2B 06 01 04 01 DA 47 0F 01 }
    $curve25519 = { 04 ?? ?? ?? ?? 12 0A 2B 06 01 04 01 97 55 01 05 01 }
    $nist256    = { 04 ?? ?? ?? ?? ( 12 | 13 ) 08 2A 86 48 CE 3D 03 01 07 }
    $certicom   = { 04 ?? ?? ?? ?? ( 12 | 13 ) 05 2B 81 04 00 ( 0A | 22 | 23 ) }
    $brainpool  = { 04 ?? ?? ?? ?? ( 12 | 13 ) 09 2B 24 03 03 02 08 01 01 ( 07 | 0B | 0D ) }
    $curve448   = { ( 04 ?? ?? ?? ?? | 05 ?? ?? ?? ?? ) ( 12 | 16 ) 03 2B 65 ( 6F | 71 ) }
    $libre448   = { 05 ?? ?? ?? ?? ( 12 | 16 ) 00 00 00 ?? 03 2B 65 ( 6F | 71 ) }
    $libre25519 = { 05 ?? ?? ?? ?? 16 00 00 00 ?? 09 2B 06 01 04 01 DA 47 0F 01 }
    $librecurve = { 05 ?? ?? ?? ?? 12 00 00 00 ?? 0A 2B 06 01 04 01 97 55 01 05 01 }
    $newx25519  = { 06 ?? ?? ?? ?? 19 00 00 00 20 }
    $newed25519 = { 06 ?? ?? ?? ?? 1B 00 00 00 20 }
    $newx448    = { 06 ?? ?? ?? ?? 1A 00 00 00 38 }
    $newed448   = { 06 ?? ?? ?? ?? 1C 00 00 00 39 }
  condition:
    any of them
}

rule openpgp_packet
{
  strings:
    $dsa    = { ( 95 | 9D ) ?? ?? 04 ?? ?? ?? ?? 11 ( 04 | 08 | 0C ) 00 }
    $newv4  = { ( C5 | C7 ) 49 04 ?? ?? ?? ?? ( 19 | 1B ) }
  condition:
    any of them
}
