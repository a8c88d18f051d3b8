// The key type, which every JSON Web Key has; in JSON also when it is a string inside JSON.
rule jwk_key
{
  strings:
    $double = "\"kty" ascii wide
    $single = "'kty" ascii wide
  condition:
    any of them
}
