// The human-readable parts of age's own identities.
rule age_identity
{
  strings:
    $identity = "AGE-SECRET-KEY-" ascii wide
  condition:
    any of them
}
