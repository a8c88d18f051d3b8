// BCRYPT_RSAKEY_BLOB: "RSA2" (private) or "RSA3" (full), bits, then sizes of e, n, p, q as u32.
// BCRYPT_ECCKEY_BLOB: "ECK2/4/6" (ECDH) or "ECS2/4/6" (ECDSA) with 32, 48 or 66 bytes a number;
// "ECKV" and "ECDV" of any curve. BCRYPT_DSA_KEY_BLOB: "DSPV" and "DPV2".
rule cng_private
{
  strings:
    $rsa   = { 52 53 41 ( 32 | 33 ) ?? ?? 00 00 ( 01 | 02 | 03 | 04 | 08 ) 00 00 00 ?? ?? 00 00 ?? ?? 00 00 ?? ?? 00 00 }
    $ecc32 = { 45 43 ( 4B | 53 ) 32 20 00 00 00 }
    $ecc48 = { 45 43 ( 4B | 53 ) 34 30 00 00 00 }
    $ecc66 = { 45 43 ( 4B | 53 ) 36 42 00 00 00 }
    $eccv  = { 45 43 ( 4B | 44 ) 56 ( 20 | 30 | 42 | 40 ) 00 00 00 }
  condition:
    any of them
}
