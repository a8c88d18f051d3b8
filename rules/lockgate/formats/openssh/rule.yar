// The magic and the length of the cipher name, which is short.
rule openssh_private
{
  strings:
    $magic = { 6F 70 65 6E 73 73 68 2D 6B 65 79 2D 76 31 00 00 00 00 }
  condition:
    $magic
}

// A key type, and as far as they are known the lengths of its private fields. The modulus of a
// public ssh-rsa key stands behind its exponent, which has no leading zero.
rule openssh_section
{
  strings:
    $rsa = { 00 00 00 07 73 73 68 2D 72 73 61 00 00 (00 | 01 | 02 | 04 | 08) ?? 00 }
    $dsa = { 00 00 00 07 73 73 68 2D 64 73 73 00 00 00 (41 | 81) 00 }
    $ecdsa = { 00 00 00 13 65 63 64 73 61 2D 73 68 61 32 2D 6E 69 73 74 70 }
    $ed25519 = { 00 00 00 0B 73 73 68 2D 65 64 32 35 35 31 39 00 00 00 20 [32] 00 00 00 40 }
    $ed448 = { 00 00 00 09 73 73 68 2D 65 64 34 34 38 00 00 00 39 [57] 00 00 00 72 }
  condition:
    any of them
}
