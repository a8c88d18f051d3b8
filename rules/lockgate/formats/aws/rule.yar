// Identifiers of long-term and of temporary keys.
rule aws_access_key
{
  strings:
    $long      = /AKIA[A-Z2-7]{16}/ ascii wide
    $temporary = /ASIA[A-Z2-7]{16}/ ascii wide
  condition:
    any of them
}
