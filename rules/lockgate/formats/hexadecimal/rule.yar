// What begins a private key, in hexadecimal digits, by what stands between the bytes.
rule hexadecimal_version
{
  strings:
    $none     = /02010[01](02|04|30)/ ascii wide
    $space    = /02 01 0[01] (02|04|30)/ ascii wide
    $colon    = /02:01:0[01]:(02|04|30)/ ascii wide
    $dash     = /02-01-0[01]-(02|04|30)/ ascii wide
    $comma    = /02,01,0[01],(02|04|30)/ ascii wide
    $list     = /0x02,\s{0,40}0x01,\s{0,40}0x0[01],\s{0,40}0x(02|04|30)/ ascii wide
    $words    = /0x02 0x01 0x0[01] 0x(02|04|30)/ ascii wide
    $short    = /0x2, ?0x1, ?0x[01], ?0x(2|4|30),/ ascii wide
  condition:
    any of them
}

rule hexadecimal_sealed
{
  strings:
    $none     = /2a864886f70d010[5c]0[13ad]/ nocase ascii wide
    $space    = /2a 86 48 86 f7 0d 01 0[5c]/ nocase ascii wide
    $colon    = /2a:86:48:86:f7:0d:01:0[5c]/ nocase ascii wide
    $dash     = /2a-86-48-86-f7-0d-01-0[5c]/ nocase ascii wide
    $comma    = /2a,86,48,86,f7,0d,01,0[5c]/ nocase ascii wide
    $list     = /0x2a,\s{0,40}(\(byte\) ?)?0x86,\s{0,40}0x48,\s{0,40}(\(byte\) ?)?0x86,/ nocase ascii wide
  condition:
    any of them
}

// openssh-key-v1, BEGIN, hexadecimal and base64 of BEGIN, and base64 of a key's first bytes.
rule hexadecimal_text
{
  strings:
    $openssh  = "6f70656e7373682d6b65792d763100" nocase ascii wide
    $openssh1 = "6f 70 65 6e 73 73 68 2d 6b 65 79" nocase ascii wide
    $openssh2 = "6f:70:65:6e:73:73:68:2d:6b:65:79" nocase ascii wide
    $openssh3 = "6f-70-65-6e-73-73-68-2d-6b-65-79" nocase ascii wide
    $openssh4 = "6f,70,65,6e,73,73,68,2d,6b,65,79" nocase ascii wide
    $openssh5 = /0x6f,\s{0,40}0x70,\s{0,40}0x65,\s{0,40}0x6e,/ nocase ascii wide
    $label    = "424547494e" nocase ascii wide
    $label1   = "42 45 47 49 4e" nocase ascii wide
    $label2   = "42:45:47:49:4e" nocase ascii wide
    $label3   = "42-45-47-49-4e" nocase ascii wide
    $label4   = "42,45,47,49,4e" nocase ascii wide
    $label5   = /0x42,\s{0,40}0x45,\s{0,40}0x47,\s{0,40}0x49,/ nocase ascii wide
    $broad    = "420045004700490" nocase ascii wide
    $again    = "343234353437343934" ascii wide
    $base64a  = "516b56485355" nocase ascii wide
    $base64b  = "4a4652306c4f" nocase ascii wide
    $base64c  = "435255644a54" nocase ascii wide
    $base64p  = /4d49(49|47)[4-7][0-9a-f]4167[0-9a-f]{2}/ nocase
    $base64q  = /4d4949[4-7][0-9a-f]{5}494241[34]/ nocase
    $base64e  = /4d4334434151|4d48634341514545/ nocase
  condition:
    any of them
}
