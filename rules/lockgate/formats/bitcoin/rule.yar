// The versions of extended keys, and the words beside which keys of wallets are written.
rule bitcoin_extended
{
  strings:
    $main    = /xprv[1-9A-HJ-NP-Za-km-z]{24}/ ascii wide
    $segwit  = /yprv[1-9A-HJ-NP-Za-km-z]{24}/ ascii wide
    $native  = /zprv[1-9A-HJ-NP-Za-km-z]{24}/ ascii wide
    $test    = /tprv[1-9A-HJ-NP-Za-km-z]{24}/ ascii wide
    $utest   = /uprv[1-9A-HJ-NP-Za-km-z]{24}/ ascii wide
    $vtest   = /vprv[1-9A-HJ-NP-Za-km-z]{24}/ ascii wide
  condition:
    any of them
}

rule bitcoin_wallet
{
  strings:
    $dump     = " # addr=" ascii
    $electrum = /p2w?pkh(-p2sh)?:[5KL9c][1-9A-HJ-NP-Za-km-z]{49}/ ascii
    $import   = /importprivkey "?[5KL9c][1-9A-HJ-NP-Za-km-z]{49}/ ascii
    $json     = /"(priv|privkey|private_key|privateKey|wif|WIF)" {0,2}: {0,2}"[5KL9c][1-9A-HJ-NP-Za-km-z]{49}/ ascii
    $setting  = /(wif|WIF|privkey|PRIVKEY|private_key|PRIVATE_KEY) {0,2}[=:] {0,2}"?[5KL9c][1-9A-HJ-NP-Za-km-z]{49}/ ascii
  condition:
    any of them
}
