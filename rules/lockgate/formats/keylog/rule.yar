// A label, the client random of 32 bytes, and the beginning of the secret.
rule keylog_line
{
  strings:
    $master   = /CLIENT_RANDOM [0-9a-fA-F]{64} [0-9a-fA-F]{32}/ ascii wide
    $traffic  = /(CLIENT|SERVER)_(EARLY_|HANDSHAKE_)?TRAFFIC_SECRET(_0)? [0-9a-fA-F]{64} [0-9a-fA-F]{32}/ ascii wide
    $exporter = /EXPORTER_SECRET [0-9a-fA-F]{64} [0-9a-fA-F]{32}/ ascii wide
    $hello    = /ECH_SECRET [0-9a-fA-F]{64} [0-9a-fA-F]{32}/ ascii wide
  condition:
    any of them
}
