// Labels that announce a secret, from BEGIN or END on, whatever stands between the words: spaces,
// plus signs, escapes; in ASCII, UTF-16 and UTF-32 (the big-endian forms match late).
rule pem_private
{
  strings:
    $begin   = /BEGIN[ -~\xA0\xC2]{1,60}PRIVATE[ -~\xA0\xC2]{1,12}KEY/ ascii wide
    $broad   = { 42 00 00 00 45 00 00 00 47 00 00 00 49 00 00 00 4E 00 00 00 [1-240]
                 50 00 00 00 52 00 00 00 49 00 00 00 56 00 00 00 41 }
    $openvpn = "BEGIN OpenVPN " ascii wide
  condition:
    any of them
}

// A key whose first lines are missing; the prover refutes it when its BEGIN line is there.
rule pem_end
{
  strings:
    $end = /END[ -~\xA0\xC2]{1,60}PRIVATE[ -~\xA0\xC2]{1,12}KEY/ ascii wide
  condition:
    $end
}
