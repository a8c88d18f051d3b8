// What begins a private key, as decimal numbers from 0 to 255 or from -128 to 127: the version,
// then a modulus, an algorithm or a scalar.
rule decimal_version
{
  strings:
    $list  = /2, 1, [01], (2, (1[0-9]{2}|-12[4-7]|[679][0-9])|48, (-?[0-9]{1,3}, ){1,3}(6|48)|4, (32|48|6[4-6]|28)), / ascii wide
    $tight = /2,1,[01],(2,(1[0-9]{2}|-12[4-7]|[679][0-9])|48,(-?[0-9]{1,3},){1,3}(6|48)|4,(32|48|6[4-6]|28)),/ ascii wide
    $words = /2 1 [01] (2 (1[0-9]{2}|-12[4-7]|[679][0-9])|48 (-?[0-9]{1,3} ){1,3}(6|48)|4 (32|48|6[4-6]|28)) / ascii wide
    $lines = /2,\n[ \t]{0,40}1,\n[ \t]{0,40}[01],\n[ \t]{0,40}(2|4|48),\n/ ascii
    $crlf  = /2,\r\n[ \t]{0,40}1,\r\n[ \t]{0,40}[01],\r\n[ \t]{0,40}(2|4|48),\r\n/ ascii
    $bare  = /\n2\n1\n[01]\n(2\n1[0-9][0-9]|48\n([0-9]{1,3}\n){1,3}(6|48)|4\n(32|48|66))\n/ ascii
  condition:
    any of them
}

rule decimal_sealed
{
  strings:
    $list   = "42, 134, 72, 134, 247, 13, 1, " ascii wide
    $tight  = "42,134,72,134,247,13,1," ascii wide
    $signed = "42, -122, 72, -122, -9, 13, 1, " ascii wide
    $minus  = "42,-122,72,-122,-9,13,1," ascii wide
    $words  = "42 134 72 134 247 13 1 " ascii wide
    $lines  = /42,\n[ \t]{0,40}134,\n[ \t]{0,40}72,\n[ \t]{0,40}134,\n[ \t]{0,40}247,\n/
    $bare   = "42\n134\n72\n134\n247\n"
  condition:
    any of them
}

// openssh-key, BEGIN
rule decimal_text
{
  strings:
    $openssh  = /111,\s{0,40}112,\s{0,40}101,\s{0,40}110,\s{0,40}115,/ ascii wide
    $openssh1 = "111 112 101 110 115 115 104 45" ascii wide
    $openssh2 = "111\n112\n101\n110\n115\n115\n104\n45"
    $label    = /66, ?69, ?71, ?73, ?78, ?32/ ascii wide
    $label1   = "66 69 71 73 78 32" ascii wide
    $label2   = /66,\n[ \t]{0,40}69,\n[ \t]{0,40}71,\n[ \t]{0,40}73,\n/
    $label3   = "66\n69\n71\n73\n78\n32"
  condition:
    any of them
}
