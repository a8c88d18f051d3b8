// Magic and version of JKS and JCEKS, with a count of less than 65536 entries; version and length
// of the salt of BKS.
rule java_keystore
{
  strings:
    $jks   = { FE ED FE ED 00 00 00 ( 01 | 02 ) 00 00 }
    $jceks = { CE CE CE CE 00 00 00 ( 01 | 02 ) 00 00 }
  condition:
    any of them
}

rule java_keystore_bks
{
  strings:
    $bks   = { 00 00 00 ( 01 | 02 ) 00 00 00 14 }
  condition:
    $bks at 0
}
