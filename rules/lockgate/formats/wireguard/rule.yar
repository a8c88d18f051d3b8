// The settings of wg(8), systemd.netdev(5), NetworkManager and the configuration protocol; 43
// characters of base64 or 64 of hex must follow.
rule wireguard_key
{
  strings:
    $private   = /PrivateKey[ \t"']{0,8}[=:][ \t"']{0,8}[A-Za-z0-9+\/]{42}[AEIMQUYcgkosw048]=/ ascii wide
    $preshared = /PresharedKey[ \t"']{0,8}[=:][ \t"']{0,8}[A-Za-z0-9+\/]{42}[AEIMQUYcgkosw048]=/ ascii wide
    $manager   = /\nprivate-key=[A-Za-z0-9+\/]{42}[AEIMQUYcgkosw048]=/ ascii
    $managerpsk = /\npreshared-key=[A-Za-z0-9+\/]{42}[AEIMQUYcgkosw048]=/ ascii
    $protocol  = /private_key=[0-9a-f]{64}/ ascii
    $protocolpsk = /preshared_key=[0-9a-f]{64}/ ascii
  condition:
    any of them
}
