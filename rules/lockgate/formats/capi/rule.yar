// PUBLICKEYSTRUC: type 7 (PRIVATEKEYBLOB), version 2, reserved 0, an ALG_ID of RSA, then "RSA2".
// PVK: the magic B0B5F11E, reserved 0, and whether it is encrypted.
rule capi_rsa
{
  strings:
    $blob = { 07 02 00 00 00 ( A4 | 24 ) 00 00 52 53 41 32 }
    $pvk  = { 1E F1 B5 B0 00 00 00 00 ( 01 | 02 ) 00 00 00 01 00 00 00 }
  condition:
    any of them
}
