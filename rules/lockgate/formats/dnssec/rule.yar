// A key for transactions (tsig-keygen(8)); the first line of every version of a key file.
rule dnssec_tsig
{
  strings:
    $algorithm = /algorithm[ \t]{1,8}"?hmac-(md5|sha)/ ascii
  condition:
    $algorithm
}

rule dnssec_private
{
  strings:
    $first = "Private-key-format: v1." ascii wide
  condition:
    any of them
}
