"""The registry reads public keys in every usual form, and refuses private ones."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x448, x25519

from lockgate.scan.protected import Anchor, KeyRecord, ProtectedKey, protected_key
from lockgate.scan.registry import Registry, RegistryError
from lockgate.scan.registry_toml import to_toml

RSA = rsa.generate_private_key(65537, 2048)
P256 = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
OTHERS = (
    ed448.Ed448PrivateKey.generate(),
    x25519.X25519PrivateKey.generate(),
    x448.X448PrivateKey.generate(),
    dsa.generate_private_key(1024),
    ec.generate_private_key(ec.SECP521R1()),
)
ALL = (RSA, P256, ED, *OTHERS)


def spki(key) -> bytes:
    """The SubjectPublicKeyInfo as ``cryptography`` writes it."""
    return key.public_key().public_bytes(ser.Encoding.DER, ser.PublicFormat.SubjectPublicKeyInfo)


def fingerprint(key) -> str:
    """The fingerprint of a key pair."""
    return f"sha256:{hashlib.sha256(spki(key)).hexdigest()}"


def pem(key) -> bytes:
    """The public key in PEM."""
    return key.public_key().public_bytes(ser.Encoding.PEM, ser.PublicFormat.SubjectPublicKeyInfo)


def certificate(key, name: str) -> x509.Certificate:
    """A self-signed certificate."""
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject)
    builder = builder.public_key(key.public_key()).serial_number(1)
    builder = builder.not_valid_before(now).not_valid_after(now + dt.timedelta(days=1))
    return builder.sign(key, hashes.SHA256())


def b64url(number: int) -> str:
    """A number as JWK members hold it."""
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def jwks() -> dict:
    """A set with one key of every JWK type."""
    r, p = RSA.public_key().public_numbers(), P256.public_key().public_numbers()
    x = base64.urlsafe_b64encode(ED.public_key().public_bytes_raw()).rstrip(b"=").decode()
    return {
        "keys": [
            {"kty": "RSA", "kid": "r", "n": b64url(r.n), "e": b64url(r.e)},
            {"kty": "EC", "kid": "p", "crv": "P-256", "x": b64url(p.x), "y": b64url(p.y)},
            {"kty": "OKP", "kid": "o", "crv": "Ed25519", "x": x},
        ]
    }


def load(tmp_path, content: bytes, name: str = "registry") -> Registry:
    """The registry of one file with this content."""
    path = tmp_path / name
    path.write_bytes(content)
    return Registry.load([path])


@pytest.mark.parametrize("key", ALL, ids=lambda k: type(k).__name__)
def test_public_key_pem_and_der_are_read(key, tmp_path):
    """SubjectPublicKeyInfo of every algorithm."""
    for content in (pem(key), spki(key)):
        (entry,) = load(tmp_path, content)
        assert entry.fingerprint == fingerprint(key)
        assert entry.spki == spki(key)
        assert entry.bits > 0


def test_certificate_bundle_names_keys_by_subject(tmp_path):
    """PEM bundles and DER certificates, whatever the file is called."""
    bundle = [certificate(RSA, "signing"), certificate(P256, "other")]
    text = b"".join(c.public_bytes(ser.Encoding.PEM) for c in bundle)
    registry = load(tmp_path, b"# comment\n" + text, "misleading.json")
    assert registry.name_of(fingerprint(RSA)) == "CN=signing"
    assert registry.name_of(fingerprint(P256)) == "CN=other"
    (entry,) = load(tmp_path, bundle[0].public_bytes(ser.Encoding.DER))
    assert entry.name == "CN=signing"


def test_jwks_is_read(tmp_path):
    """RSA, EC and OKP keys, named by kid."""
    registry = load(tmp_path, json.dumps(jwks()).encode())
    assert [k.name for k in registry] == ["r", "p", "o"]
    assert {k.fingerprint for k in registry} == {fingerprint(k) for k in (RSA, P256, ED)}


def test_ssh_lines_are_read(tmp_path):
    """Plain lines, options before the key, comments as names."""
    form = (ser.Encoding.OpenSSH, ser.PublicFormat.OpenSSH)
    first, second = (k.public_key().public_bytes(*form) for k in (RSA, ED))
    text = b"# keys\n" + first + b" alice@host\n\nno-pty " + second + b"\n"
    registry = load(tmp_path, text)
    assert registry.name_of(fingerprint(RSA)) == "alice@host"
    assert registry.name_of(fingerprint(ED)) is not None


def test_toml_is_read(tmp_path):
    """Our own form: a fingerprint alone, or with the public key."""
    encoded = base64.b64encode(spki(RSA)).decode()
    text = f'[[key]]\nname = "a"\nspki = "{encoded}"\n[[key]]\nname = "b"\n'
    text += f'fingerprint = "{fingerprint(P256)}"\n'
    registry = load(tmp_path, text.encode())
    assert registry.name_of(fingerprint(RSA)) == "a"
    assert registry.name_of(fingerprint(P256)) == "b"
    assert [name for *_, name in registry.rsa_moduli] == ["a"]


def test_public_values_are_what_stands_in_memory(tmp_path):
    """Moduli, X coordinates and raw public keys."""
    registry = load(tmp_path, pem(RSA) + pem(P256) + pem(ED))
    r, p = RSA.public_key().public_numbers(), P256.public_key().public_numbers()
    values = registry.public_values()
    assert r.n.to_bytes(256, "big") in values
    assert p.x.to_bytes(32, "big") in values
    assert ED.public_key().public_bytes_raw() in values
    assert registry.rsa_moduli[0][:2] == (r.n, r.e)


def test_empty_registry_knows_nothing():
    """No key, no name."""
    registry = Registry.empty()
    assert len(registry) == 0
    assert registry.name_of("sha256:" + "0" * 64) is None
    assert registry.rsa_moduli == ()


def test_same_key_twice_is_one_entry(tmp_path):
    """The first name stays."""
    registry = load(tmp_path, pem(RSA) + certificate(RSA, "late").public_bytes(ser.Encoding.PEM))
    assert len(registry) == 1


_SECRET = f'[[key]]\nname = "a"\nfingerprint = "sha256:{"0" * 64}"\n'
PRIVATE = {
    "pkcs8 pem": ("PEM", "PKCS8"),
    "pkcs8 der": ("DER", "PKCS8"),
    "pkcs1 der": ("DER", "TraditionalOpenSSL"),
    "openssh": ("PEM", "OpenSSH"),
}


@pytest.mark.parametrize("form", PRIVATE)
def test_private_key_is_refused_and_not_quoted(form, tmp_path):
    """The error names the file and quotes nothing of it."""
    encoding, kind = PRIVATE[form]
    content = RSA.private_bytes(
        getattr(ser.Encoding, encoding), getattr(ser.PrivateFormat, kind), ser.NoEncryption()
    )
    with pytest.raises(RegistryError, match="holds a private key") as caught:
        load(tmp_path, content)
    assert caught.value.__cause__ is None
    assert content[40:60].decode("latin-1") not in str(caught.value)


def test_private_jwk_is_refused(tmp_path):
    """A set with one private member is refused as a whole."""
    document = jwks()
    document["keys"][1]["d"] = "c2VjcmV0"
    with pytest.raises(RegistryError, match="holds a private key") as caught:
        load(tmp_path, json.dumps(document).encode())
    assert "c2VjcmV0" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[key]]\nname = "a"\nfingerprnt = "x"\n', 'did you mean "fingerprint"'),
        ('[[key]]\nname = "a"\n', "one of"),
        ('[[key]]\nspki = "x"\n', '"name" is missing'),
        ('[[key]]\nname = "a"\nfingerprint = "sha256:zz"\n', "64 hex digits"),
        ('[[key]]\nname = "a"\nspki = "***"\n', "not base64"),
        ('[[key]]\nname = "a"\nspki = "AAAA"\n', "not readable"),
        (_SECRET + "length = 15\nanchor = 'abcdef'\n", "number of bytes from 16 to 4096"),
        (_SECRET + "length = 32\n", "six hex digits"),
        (_SECRET + "anchor = 'abcdef'\n", "number of bytes"),
        (_SECRET + "length = 32\nanchor = 'xyz'\n", "six hex digits"),
        (_SECRET.replace("sha", "hmac-sha") + "length = 32\nanchor = 'abcdef'\n", "secret"),
        ('[[kye]]\nname = "a"\n', "unknown table"),
        ("[[key]]\nname = \n", "line 2"),
        ("[key]\nname = 'a'\n", "write \\[\\[key\\]\\]"),
        ("", "no public key"),
        ('{"keys": 5}', "not a list"),
        ('{"keys": [{}]}', "not a JSON Web Key"),
        ('{"keys": [{"kty": "RSA", "n": "AA", "e": "AA"}]}', "not readable"),
        ('{"keys":\n\n [}', ":3"),
        ("ssh-rsa AAAA comment\n", "registry:1: the public key is not readable"),
        ("ssh-rsa AAAA comment\nhello\n", "registry:1"),
        ("-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n", "not base64"),
        ("x\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "registry:2"),
    ],
)
def test_errors_name_the_place(text, message, tmp_path):
    """Every mistake is told with its file and its line or key."""
    with pytest.raises(RegistryError, match=message) as caught:
        load(tmp_path, text.encode())
    assert "registry" in str(caught.value)


def test_secrets_are_read(tmp_path):
    """A symmetric secret by fingerprint, length and anchor, and a weak one by fingerprint."""
    weak = '[[key]]\nname = "b"\nfingerprint = "hmac-sha256:' + "1" * 64 + '"\n'
    registry = load(tmp_path, (_SECRET + "length = 32\nanchor = '00ff10'\n" + weak).encode())
    (secret,) = registry.secrets
    assert secret.anchor == Anchor(32, 0xFF10)
    assert registry.name_of("hmac-sha256:" + "1" * 64) == "b"
    assert [key.is_searchable for key in registry] == [True, False]


def test_contradiction_of_fingerprint_and_key_is_an_error(tmp_path):
    """A table must not name one key and hold another."""
    encoded = base64.b64encode(spki(RSA)).decode()
    text = f'[[key]]\nname="a"\nspki="{encoded}"\nfingerprint="{fingerprint(ED)}"\n'
    with pytest.raises(RegistryError, match="not that of"):
        load(tmp_path, text.encode())


def test_missing_file_and_noise_are_errors(tmp_path):
    """An absent file, and bytes of no form at all."""
    with pytest.raises(RegistryError, match="No such file"):
        Registry.load([tmp_path / "absent"])
    with pytest.raises(RegistryError):
        load(tmp_path, bytes(range(128, 256)))


RECORD = KeyRecord(
    owner="identity team",
    zones=("signing", "hsm"),
    signs="tokens; see ssh-rsa keys and -----BEGIN CERTIFICATE-----",
    made=dt.date(2026, 1, 31),
    on_leak='rotate "now"\\n',
    hooks=("pager", "revoke-tokens"),
)


def test_what_is_written_is_read_again(tmp_path):
    """Every form of a key survives our TOML, with what people wrote down of it."""
    keys = [replace(protected_key("k", key.public_key()), record=RECORD) for key in ALL]
    keys.append(ProtectedKey("by hash", "hmac-sha256:" + "ab" * 32, "secret", 64))
    keys.append(ProtectedKey("secret", "sha256:" + "cd" * 32, "x", 128, anchor=Anchor(16, 7)))
    assert list(load(tmp_path, to_toml(keys).encode())) == keys


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("owner = 1", "owner"),
        ('zones = "signing"', "zones"),
        ("zones = [1]", "zones"),
        ("hooks = [" + "'x'," * 101 + "]", "hooks"),
        (f'on_leak = "{"x" * 1025}"', "on_leak"),
        ('made = "soon"', "made"),
        ('ownr = "x"', '"owner"'),
    ],
)
def test_a_wrong_record_is_named(line, fault, tmp_path):
    """The table's number and the key's name are told."""
    table = f'[[key]]\nname = "n"\nfingerprint = "sha256:{"0" * 64}"\n{line}\n'
    with pytest.raises(RegistryError, match=rf"number 1: .*{fault}"):
        load(tmp_path, table.encode())


def test_a_certificate_tells_when_its_key_was_made(tmp_path):
    """The day from which it is valid."""
    content = certificate(P256, "signing").public_bytes(ser.Encoding.DER)
    (entry,) = load(tmp_path, content)
    assert entry.record.made == dt.date(2026, 1, 1)


def jwk_of(key):
    """The members of an RSA key, public and private."""
    numbers = key.private_numbers()
    members = {
        "d": numbers.d,
        "p": numbers.p,
        "q": numbers.q,
        "dp": numbers.dmp1,
        "dq": numbers.dmq1,
        "qi": numbers.iqmp,
        "n": numbers.public_numbers.n,
    }
    texts = {
        name: base64.urlsafe_b64encode(n.to_bytes((n.bit_length() + 7) // 8)).decode().rstrip("=")
        for name, n in members.items()
    }
    return {"kty": "RSA", "e": "AQAB", **texts}


@pytest.mark.parametrize("member", ["d", "p", "q", "dp", "dq", "qi"])
@pytest.mark.parametrize("hidden", ["plain", "escaped", "doubled", "nested", "beside"])
def test_no_private_member_of_a_jwk_gets_in(member, hidden, tmp_path):
    """Wherever it stands, however its name is written, and whichever of them it is."""
    whole = jwk_of(rsa.generate_private_key(65537, 2048))
    public = {name: whole[name] for name in ("kty", "n", "e")}
    private = {**public, member: whole[member]}
    escaped = json.dumps(private).replace(f'"{member}"', f'"\\u{ord(member[0]):04x}{member[1:]}"')
    pem = P256.public_key().public_bytes(ser.Encoding.PEM, ser.PublicFormat.SubjectPublicKeyInfo)
    text = {
        "plain": json.dumps({"keys": [private]}),
        "escaped": escaped,
        "doubled": f'{{"keys": [{json.dumps(private)}], "keys": [{json.dumps(public)}]}}',
        "nested": json.dumps({"keys": [public], "old": {"keys": [private]}}),
        "beside": pem.decode() + json.dumps(private),
    }[hidden]
    with pytest.raises(RegistryError, match="private") as caught:
        load(tmp_path, text.encode())
    assert whole[member] not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "text",
    [
        "x = {S3CRET = 1, S3CRET = 2}",
        "[S3CRET]\n[S3CRET]",
        "x = {S3CRET = {}}\n[x.S3CRET]",
        "[[x]]\n[x.S3CRET]\n[x.S3CRET]",
    ],
)
def test_what_is_wrong_with_a_file_is_said_without_its_words(text, tmp_path):
    """A parser's objection may quote what it met."""
    with pytest.raises(RegistryError) as caught:
        load(tmp_path, text.encode())
    assert "S3CRET" not in str(caught.value)


def test_a_name_has_an_end(tmp_path):
    """As every other text of a registry."""
    table = f'[[key]]\nname = "{"x" * 2000}"\nfingerprint = "sha256:{"0" * 64}"\n'
    with pytest.raises(RegistryError, match="name"):
        load(tmp_path, table.encode())
