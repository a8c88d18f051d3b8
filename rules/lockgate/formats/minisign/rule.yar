// The base64 of the first bytes: "Ed", then "Sc" or two zeros and "B2" (minisign); "Ed", "BK"
// and rounds below 65536 (signify).
rule minisign_secret
{
  strings:
    $sealed  = "RWRTY0Iy" ascii wide
    $clear   = "RWQAAEIy" ascii wide
    $signify = "RWRCSwAA" ascii wide
  condition:
    any of them
}
