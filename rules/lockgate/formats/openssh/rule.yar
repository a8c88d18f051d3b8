// The magic and the length of the cipher name, which is short.
rule openssh_private
{
  strings:
    $magic = { 6F 70 65 6E 73 73 68 2D 6B 65 79 2D 76 31 00 00 00 00 }
  condition:
    $magic
}
