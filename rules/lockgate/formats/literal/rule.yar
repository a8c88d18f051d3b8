// What begins a private key, as escapes in a string: C, Python, Go, Ruby (\x), C and PostgreSQL
// (octal), JSON and Java (\u), URLs. 0x30 may stand as the digit 0.
rule literal_private
{
  strings:
    $hex      = /\\x02\\{1,4}x01\\{1,4}x0[01](0|\\{1,4}x(02|04|30))/ ascii wide
    $octal    = /\\002\\{1,4}001\\{1,4}00[01](0|\\{1,4}(002|004|060))/ ascii wide
    $unicode  = /\\u0002\\{1,4}u0001\\{1,4}u000[01](0|\\{1,4}u00(02|04|30))/ ascii wide
    $percent  = /%02%01%0[01](0|%(02|04|30))/ ascii wide
    $sealed   = /\\x01\\{1,4}x05\\{1,4}(r|x0[dD])(0|\\{1,4}x30)/ ascii wide
    $sealed2  = /\\u0001\\{1,4}u0005\\{1,4}(r|u000[dD])(0|\\{1,4}u0030)/ ascii wide
    $sealed3  = /\\001\\{1,4}005\\{1,4}(r|015)(0|\\{1,4}060)/ ascii wide
    $sealed4  = /%01%05%0D(0|%30)/ nocase ascii wide
    $sealed5  = "\\x86\\x48\\x86\\xf7\\x0d\\x01\\x05" nocase ascii wide
    $openssh  = /openssh-key-v1(\\{1,4}(x00|u0000|000|0)|%00)/ ascii wide
    $openssh2 = "\\x6f\\x70\\x65\\x6e\\x73\\x73\\x68\\x2d\\x6b\\x65\\x79" nocase ascii wide
    $openssh3 = "\\157\\160\\145\\156\\163\\163\\150\\055" ascii wide
    $label    = "\\x42\\x45\\x47\\x49\\x4e\\x20" nocase ascii wide
    $label2   = "\\u0042\\u0045\\u0047\\u0049\\u004e\\u0020" nocase ascii wide
    $label3   = "\\102\\105\\107\\111\\116\\040" ascii wide
    $label4   = "%42%45%47%49%4e%20" nocase ascii wide
  condition:
    any of them
}
