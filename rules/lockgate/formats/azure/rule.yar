// The signatures that stand inside identifiable keys, with what must follow them; the settings
// of connection strings; the signature of a shared access signature.
rule azure_annotated
{
  strings:
    $secret = /QJJQA[BCDE][A-E]/ ascii wide
    $key    = /JQQJ9[9DH][0-9A-Za-z][A-L]/ ascii wide
  condition:
    any of them
}

rule azure_identifiable
{
  strings:
    $storage  = /\+ASt[0-9A-Za-z+\/]{5}[AQgw]==/ ascii wide
    $cosmos   = /ACDb[0-9A-Za-z+\/]{5}[AQgw]==/ ascii wide
    $batch    = /\+ABa[0-9A-Za-z+\/]{5}[AQgw]==/ ascii wide
    $learning = /\+AMC[0-9A-Za-z+\/]{5}[AQgw]==/ ascii wide
    $api      = /APIM[0-9A-Za-z+\/]{5}[AQgw]==/ ascii wide
    $function = /AzFu[0-9A-Za-z_-]{5}[AQgw]==/ ascii wide
    $bus      = /\+ASb[A-P][0-9A-Za-z+\/]{5}=/ ascii wide
    $hub      = /\+AEh[A-P][0-9A-Za-z+\/]{5}=/ ascii wide
    $relay    = /\+ARm[A-P][0-9A-Za-z+\/]{5}=/ ascii wide
    $things   = /AIoT[A-P][0-9A-Za-z+\/]{5}=/ ascii wide
    $cache    = /AzCa[A-P][0-9A-Za-z+\/]{5}=/ ascii wide
    $registry = /\+ACR[A-D][0-9A-Za-z+\/]{5}/ ascii wide
    $search   = /AzSe[A-D][0-9A-Za-z+\/]{5}/ ascii wide
  condition:
    any of them
}

rule azure_setting
{
  strings:
    $account = /AccountKey=[0-9A-Za-z+\/]{86}==/ ascii wide
    $shared  = /SharedAccessKey=[0-9A-Za-z+\/]{43}=/ ascii wide
  condition:
    any of them
}

rule azure_sas
{
  strings:
    $escaped   = /u0026sig=[0-9A-Za-z%+\/_-]{43}/ ascii wide
    $signature = /[?&;"' ]sig=[0-9A-Za-z%+\/_-]{43}/ ascii wide
  condition:
    any of them
}
