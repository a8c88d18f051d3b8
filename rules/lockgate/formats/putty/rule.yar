// The first line of every version.
rule putty_key_file
{
  strings:
    $first = "PuTTY-User-Key-File-" ascii wide
  condition:
    any of them
}
