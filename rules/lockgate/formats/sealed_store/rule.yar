// LUKS magic and version; the provider GUID of DPAPI behind its version; a DPAPI master key file
// by its version and the beginning of its GUID as UTF-16; the signatures of KeePass.
rule sealed_store
{
  strings:
    $luks      = { 4C 55 4B 53 BA BE 00 ( 01 | 02 ) }
    $dpapi     = { 01 00 00 00 D0 8C 9D DF 01 15 D1 11 8C 7A 00 C0 4F C2 97 EB }
  condition:
    any of them
}

rule sealed_store_file
{
  strings:
    $masterkey = { 02 00 00 00 00 00 00 00 00 00 00 00 ?? 00 ?? 00 ?? 00 ?? 00 ?? 00 ?? 00 ?? 00 ?? 00 2D 00 }
    $keepass   = { 03 D9 A2 9A ( 65 | 66 | 67 ) FB 4B B5 }
  condition:
    $masterkey at 0 or $keepass at 0
}
