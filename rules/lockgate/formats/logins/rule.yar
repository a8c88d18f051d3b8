// What announces a login in each file.
rule logins_docker
{
  strings:
    $auths = /"auth\\{0,3}"\s{0,40}:\s{0,40}\\{0,3}"[0-9A-Za-z+\/]{8}/ ascii wide
  condition:
    any of them
}

rule logins_npm
{
  strings:
    $token = /:_authToken[ ]?=[ ]?["']?[0-9A-Za-z]{4}/ ascii wide
  condition:
    any of them
}

rule logins_kubeadm
{
  strings:
    $join = /kubeadm join [^\n]{1,200}--token[ =][0-9a-z]{6}\.[0-9a-z]{16}/ ascii
  condition:
    any of them
}

rule logins_netrc
{
  strings:
    $password = /\slogin[ \t\n]{1,8}[^ \t\r\n]{1,64}[ \t\r\n]{1,8}password[ \t\n]/ ascii
  condition:
    any of them
}
