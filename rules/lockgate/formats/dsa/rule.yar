// Version 0, p of 512 to 3072 bits; the sizes of p are those of FIPS 186-2 to 186-4.
rule dsa_private
{
  strings:
    $long   = { 30 82 ?? ?? 02 01 00 02 82 ( 01 | 02 ) ?? 00 }
    $medium = { 30 82 ?? ?? 02 01 00 02 81 ?? 00 }
    $small  = { 30 8? ?? [0-1] 02 01 00 02 ( 41 | 5? | 6? | 7? ) 00 }
  condition:
    any of them
}
