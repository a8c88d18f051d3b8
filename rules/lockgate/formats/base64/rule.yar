// What begins a private key, in base64 at each of its three alignments, in ASCII and UTF-16.
// Spelt out, because YARA's own base64 strings cost twice as much. None begins with an H, which
// is in every x86 instruction: that alone would cost a third.
rule base64_private
{
  strings:
    // 02 01 00 02
    $pkcs1    = /AgEAA|IBAA|CAQAC/ ascii wide
    // 02 01 00 30
    $pkcs8    = /AgEAM|IBAD|CAQAw/ ascii wide
    // 02 01 01 30
    $pkcs8v2  = /AgEBM|IBAT|CAQEw/ ascii wide
    // 02 01 01 04
    $sec1     = /AgEBB|IBAQ|CAQEE/ ascii wide
    // OBJECT IDENTIFIER of PKCS #5
    $pkcs5    = /BgkqhkiG9w0BB|YJKoZIhvcNAQ|GCSqGSIb3DQEF/ ascii wide
    // of PKCS #12
    $pkcs12   = /BgoqhkiG9w0BD|YKKoZIhvcNAQ|GCiqGSIb3DQEM/ ascii wide
    // openssh-key-v1
    $openssh  = /b3BlbnNzaC1rZX|9wZW5zc2gta2V5|vcGVuc3NoLWtle/ ascii wide
    // BEGIN, before anything
    $label    = /QkVHSU|JFR0lO|CRUdJT/ ascii wide
    // the same in UTF-16, and PRIVATE, as a line may end within either
    $broad    = /QgBFAEcASQBOA|IARQBHAEkATg|CAEUARwBJAE4A/ ascii wide
    $broad2   = /UABSAEkAVgBB|AAUgBJAFYAQQ|QAFIASQBWAEE/ ascii wide
    // BEGIN in base64 at each of its alignments
    $twice0   = /UWtWSFNV|FrVkhTV|Ra1ZIU1/ ascii wide
    $twice1   = /SkZSMGxPS|pGUjBsT0|KRlIwbE9J/ ascii wide
    $twice    = /Q1JVZEpUa|NSVWRKVG|DUlVkSlRp/ ascii wide
    // the same in UTF-16
    $twiceb   = /TABTADAAdABMAFMAMQ|wAUwAwAHQATABTADEA|MAFMAMAB0AEwAUwAxA/ ascii
    // 2d2d2d2d2d42: armour in hexadecimal
    $hex      = /MmQyZDJkMmQyZDQy|JkMmQyZDJkMmQ0M|yZDJkMmQyZDJkND/ ascii wide
    $HEX      = /MkQyRDJEMkQyRDQy|JEMkQyRDJEMkQ0M|yRDJEMkQyRDJEND/ ascii wide
    // keys in base64, behind a header of four bytes
    $twice4   = /SUJBRE|lCQURB|JQkFEQ/ ascii
    $twice4d  = /SUJBRE|lCQURD|JQkFEQ/ ascii
    $twice4r  = /SUJBQU|lCQUFL|JQkFBS/ ascii
    // of three
    $twice3   = /QWdFQU|FnRUFN|BZ0VBT/ ascii
    $twice3e  = /QWdFQkJE|FnRUJCR|BZ0VCQk/ ascii
    // of two
    $twice2   = /Q0FRQX|NBUUF3|DQVFBd/ ascii
    $twice2e  = /Q0FRRU|NBUUVF|DQVFFR/ ascii
    // sealed; the last one without its H
    $twices   = /R0NTcUdTSWIzRFFFR|dDU3FHU0liM0RRRU|Q1NxR1NJYjNEUUVG/ ascii
    $twicet   = /QmdrcWhraUc5dzBCQl|Jna3Foa2lHOXcwQkJR|CZ2txaGtpRzl3MEJCU/ ascii
    $twiceo   = /YjNCbGJuTnphQzFyWlhrd|IzQmxibk56YUMxclpYa3|iM0JsYm5OemFDMXJaWGt0/ ascii
    // gzip, without its H
    $gzip     = /4sI[AC]/ ascii wide
  condition:
    any of them
}
