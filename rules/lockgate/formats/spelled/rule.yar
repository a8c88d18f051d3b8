// Names of private numbers, as tools and programs print them, each before a long number.
rule spelled_private
{
  strings:
    $prime     = /[Pp]rime ?_?[1Pp]:?[ \t\r\n]{1,20}[0-9a-fA-F]{2}/ ascii wide
    $exponent  = /private ?_?[Ee]xponent"?:?[ \t\r\n]{1,20}[0-9a-fA-F]{2}/ ascii wide
    $priv      = /priv:[ \t\r\n]{1,40}[0-9a-fA-F]{2}:/ ascii wide
    $private   = /[Pp]rivate [Kk]ey:[ \t\r\n]{1,40}[0-9a-fA-F]{2}:/ ascii wide
    $asn1parse = /prim: INTEGER {1,20}:[0-9A-F]{48}/ ascii wide
    $go        = /Primes:\[\+?[0-9]{60}/ ascii wide
    $tuple     = /PrivateKey\([0-9]{60}/ ascii wide
    $rsakey    = /RsaKey\(n=[0-9]{60}/ ascii wide
    $assigned  = /[^a-zA-Z]p ?= ?(0x)?[0-9a-fA-F]{60}/ ascii wide
    $object    = /["']p["']: ?["']?(0x)?[0-9a-fA-F]{60}/ ascii wide
    $exponent2 = /[^a-zA-Z]d ?= ?(0x)?[0-9a-fA-F]{60}/ ascii wide
    $object2   = /["']d["']: ?["']?(0x)?[0-9a-fA-F]{60}/ ascii wide
    $value     = /private_value["']?[=:] ?(0x)?[0-9a-fA-F]{50}/ ascii wide
    $numbers   = /private_numbers[^0-9\n]{1,40}[0-9]{50}/ ascii wide
  condition:
    any of them
}
