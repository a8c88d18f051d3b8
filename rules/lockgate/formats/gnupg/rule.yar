// The head of the list: canonical with the length before the word, advanced without.
rule gnupg_private_key
{
  strings:
    $clear     = "(11:private-key(" ascii
    $protected = "(21:protected-private-key(" ascii
    $open      = "(private-key" ascii wide
    $sealed    = "(protected-private-key" ascii wide
  condition:
    any of them
}
