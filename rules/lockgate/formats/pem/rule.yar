// Every label that ends in PRIVATE KEY, and the few others that announce a secret; in ASCII
// and in UTF-16 of both byte orders (the big-endian form matches one byte late).
rule pem_private
{
  strings:
    $private = /-----BEGIN ([A-Z0-9]{1,12} ){0,4}PRIVATE KEY( BLOCK)?-----/ ascii wide
    $ssh2    = "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----" ascii wide
    $openvpn = "-----BEGIN OpenVPN " ascii wide
  condition:
    any of them
}
