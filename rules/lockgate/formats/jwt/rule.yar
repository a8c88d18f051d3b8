// The dot before a payload that begins with {"; and a whole token in base64, as the values of
// Kubernetes secrets are: eyJhbGciOiJ, eyJ0eXAiOiJ or eyJraWQiOiJ encoded once more.
rule jwt_signed
{
  strings:
    $payload = /\.eyJ[0-9A-Za-z_-]{8}/ ascii wide
  condition:
    $payload
}

rule jwt_encoded
{
  strings:
    $alg = "ZXlKaGJHY2lPaU" ascii wide
    $typ = "ZXlKMGVYQWlPaU" ascii wide
    $kid = "ZXlKcmFXUWlPaU" ascii wide
  condition:
    any of them
}
