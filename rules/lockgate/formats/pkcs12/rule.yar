// PFX: version 3, and authSafe as pkcs7-data. The prover walks back to the outer SEQUENCE.
rule pkcs12_store
{
  strings:
    $definite   = { 02 01 03 30 8? [1-3] 06 09 2A 86 48 86 F7 0D 01 07 01 A0 }
    $short      = { 02 01 03 30 ?? 06 09 2A 86 48 86 F7 0D 01 07 01 A0 }
    $indefinite = { 30 80 02 01 03 30 80 06 09 2A 86 48 86 F7 0D 01 07 01 A0 80 }
  condition:
    any of them
}
