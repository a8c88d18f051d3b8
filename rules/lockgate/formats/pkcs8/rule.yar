// PrivateKeyInfo: version and algorithm; EncryptedPrivateKeyInfo: PBES1, PBES2, PKCS #12.
// Anchored on the version or algorithm; the prover walks back to the outer SEQUENCE.
rule pkcs8_private
{
  strings:
    $rsa     = { 02 01 ( 00 | 01 ) 30 ?? 06 09 2A 86 48 86 F7 0D 01 01 ( 01 | 07 | 0A ) }
    $ec      = { 02 01 ( 00 | 01 ) 30 ?? 06 07 2A 86 48 CE 3D 02 01 }
    $ecspelt = { 02 01 ( 00 | 01 ) 30 8? ?? [0-1] 06 07 2A 86 48 CE 3D 02 01 }
    $dsa     = { 02 01 ( 00 | 01 ) 30 8? ?? [0-1] 06 07 2A 86 48 CE 38 04 01 }
    $dh      = { 02 01 ( 00 | 01 ) 30 8? ?? [0-1] 06 09 2A 86 48 86 F7 0D 01 03 01 }
    $dhshort = { 02 01 ( 00 | 01 ) 30 ?? 06 09 2A 86 48 86 F7 0D 01 03 01 }
    $dhx     = { 02 01 ( 00 | 01 ) 30 8? ?? [0-1] 06 07 2A 86 48 CE 3E 02 01 }
    $lattice = { 02 01 ( 00 | 01 ) 30 0B 06 09 60 86 48 01 65 03 04 ( 03 | 04 ) }
    $seed    = { 02 01 ( 00 | 01 ) 30 05 06 03 2B 65 ( 6E | 6F | 70 | 71 ) 04 }
  condition:
    any of them
}

rule pkcs8_encrypted
{
  strings:
    $pbes  = { 30 ?? 06 09 2A 86 48 86 F7 0D 01 05 ( 01 | 03 | 04 | 06 | 0A | 0B | 0D ) 30 }
    $pkcs12 = { 30 ?? 06 0A 2A 86 48 86 F7 0D 01 0C 01 ( 01 | 02 | 03 | 04 | 05 | 06 ) 30 }
  condition:
    any of them
}
