"""Keys in text formats of their own, written by the programs that use them."""

from __future__ import annotations

import base64
import json
import os
import subprocess

import pytest
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519

from lockgate.formats.gnupg import sexp
from lockgate.scan.evidence import Proven, Refuted, Undecided
from lockgate.scan.prove import ec as prove_ec
from lockgate.scan.prove import edwards
from lockgate.scan.prove import rsa as prove_rsa
from lockgate.scan.report import FindingClass, FindingKind, Proof

NOISE = b"some words before\n"


def run(*command, cwd=None, env=None, text=None):
    """The output of a program that must succeed."""
    done = subprocess.run(
        [str(c) for c in command],
        cwd=cwd, env=env, input=text, check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    return done.stdout


def url64(number, size=None):
    """Base64url of a number or bytes, without padding."""
    if isinstance(number, int):
        number = number.to_bytes(size or (number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(number).rstrip(b"=").decode()


def jwk_of(key, *, only_d=False):
    """The private JSON Web Key, as RFC 7518 and RFC 8037 write it."""
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.private_numbers()
        public = numbers.public_numbers
        rest = {
            "p": numbers.p, "q": numbers.q, "dp": numbers.dmp1, "dq": numbers.dmq1,
            "qi": numbers.iqmp,
        }  # fmt: skip
        members = {"n": public.n, "e": public.e, "d": numbers.d} | ({} if only_d else rest)
        return {"kty": "RSA"} | {name: url64(value) for name, value in members.items()}
    if isinstance(key, ec.EllipticCurvePrivateKey):
        numbers = key.private_numbers()
        size, name = (key.curve.key_size + 7) // 8, key.curve.name
        crv = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}.get(name, name)
        x, y = numbers.public_numbers.x, numbers.public_numbers.y
        members = {"x": url64(x, size), "y": url64(y, size)}
        return {"kty": "EC", "crv": crv, **members, "d": url64(numbers.private_value, size)}
    crv = type(key).__name__.lstrip("_").removesuffix("PrivateKey")
    public, seed = key.public_key().public_bytes_raw(), key.private_bytes_raw()
    return {"kty": "OKP", "crv": crv, "d": url64(seed), "x": url64(public)}


JWK_KINDS = ("rsa-2048", "p256", "p384", "p521", "secp256k1", "ed25519", "x25519", "ed448", "x448")


@pytest.mark.parametrize("kind", JWK_KINDS)
def test_jwk_is_proven_with_its_braces_as_span(kind, keys, proven, fingerprint):
    """Every key type that has a public half."""
    member = NOISE + json.dumps(jwk_of(keys[kind])).encode() + b"\n"
    (only,) = proven(member)
    assert (only.format, only.offset) == ("jwk", len(NOISE))
    assert only.length == len(member) - len(NOISE) - 1
    assert only.fingerprint == fingerprint(keys[kind])


@pytest.mark.parametrize(
    "write",
    [
        lambda jwk: json.dumps(jwk, indent=2),
        lambda jwk: json.dumps(jwk, separators=(",", ":")),
        lambda jwk: json.dumps(dict(reversed(jwk.items()))),
        lambda jwk: json.dumps({"keys": [{"kty": "RSA", "n": "AQAB"}, jwk]}),
        lambda jwk: json.dumps({"config": json.dumps(jwk)}),
        lambda jwk: json.dumps({"outer": json.dumps({"config": json.dumps(jwk)})}),
        repr,
        lambda jwk: json.dumps(jwk | {"use": "sig", "key_ops": ["sign"], "ext": {"d": "AQAB"}}),
    ],
    ids=["indented", "compact", "reversed", "set", "string", "string twice", "python", "nested"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("kind", ["rsa-2048", "p256"])
def test_jwk_is_found_however_it_is_written(kind, encoding, write, keys, proven, fingerprint):
    """Order, white space, quotes, escapes and width do not matter."""
    found = proven((write(jwk_of(keys[kind])) + "\n").encode(encoding))
    assert {e.fingerprint for e in found} == {fingerprint(keys[kind])}


def test_jwk_with_n_e_and_d_alone_is_proven(keys, proven, fingerprint):
    """RFC 7518, section 6.3.2: everything but d is optional."""
    (only,) = proven(json.dumps(jwk_of(keys["rsa-2048"], only_d=True)).encode())
    assert only.fingerprint == fingerprint(keys["rsa-2048"])
    assert only.proof == (Proof.RSA_INVERTS,)


def test_jwk_of_a_secret_is_a_symmetric_key(proven):
    """``oct``: random bytes of 128 bits or more."""
    (only,) = proven(json.dumps({"kty": "oct", "k": url64(os.urandom(32))}).encode())
    assert (only.kind, only.class_) == (FindingKind.SYMMETRIC_KEY, FindingClass.PRIVATE)
    assert only.bits == 256


@pytest.mark.parametrize(
    "jwk",
    [
        {"kty": "oct", "k": url64(b"a password of many words")},
        {"kty": "oct", "k": url64(bytes(32))},
        {"kty": "EC", "crv": "P-256", "d": "..."},
        {"kty": "RSA", "d": "AQAB"},
        {"kty": "oct", "k": url64(b"short")},
    ],
)
def test_jwk_without_a_random_secret_is_refuted(jwk, judge):
    """Placeholders and examples."""
    assert all(isinstance(j, Refuted) for j in judge(json.dumps(jwk).encode()))


def test_jwk_whose_halves_disagree_is_undecided(keys, judge):
    """One key's d in another key's object."""
    wrong = jwk_of(keys["p256"]) | {"d": url64(os.urandom(32))}
    (judgement,) = judge(json.dumps(wrong).encode())
    assert isinstance(judgement, Undecided)


def xml_of(key):
    """What .NET's ToXmlString(true) writes."""
    numbers = key.private_numbers()
    public = numbers.public_numbers
    values = {
        "Modulus": public.n, "Exponent": public.e, "P": numbers.p, "Q": numbers.q,
        "DP": numbers.dmp1, "DQ": numbers.dmq1, "InverseQ": numbers.iqmp, "D": numbers.d,
    }  # fmt: skip

    def element(name, value):
        raw = value.to_bytes((value.bit_length() + 7) // 8, "big")
        return f"<{name}>{base64.b64encode(raw).decode()}</{name}>"

    return f"<RSAKeyValue>{''.join(element(*v) for v in values.items())}</RSAKeyValue>"


@pytest.mark.parametrize(
    "write",
    [
        lambda text: text,
        lambda text: text.replace("><", ">\n  <"),
        lambda text: text.replace("<", "&lt;").replace(">", "&gt;"),
        lambda text: json.dumps(text).replace("<", "\\u003c").replace(">", "\\u003e"),
        lambda text: text.replace("</", "</ds:").replace("<R", "<ds:R").replace("<M", "<ds:M"),
        lambda text: text.replace("RSAKeyValue", "RSAParameters"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_xml_is_found_however_it_is_written(write, encoding, keys, proven, fingerprint):
    """Escaped markup, prefixes, line breaks."""
    found = proven(write(xml_of(keys["rsa-2048"])).encode(encoding))
    assert {e.fingerprint for e in found} == {fingerprint(keys["rsa-2048"])}


def test_xml_of_a_dsa_key_is_proven(keys, proven, fingerprint):
    """DSAKeyValue with X."""
    numbers = keys["dsa-1024"].private_numbers()
    group = numbers.public_numbers.parameter_numbers
    values = {"P": group.p, "Q": group.q, "G": group.g, "Y": numbers.public_numbers.y}

    def element(name, value):
        raw = value.to_bytes((value.bit_length() + 7) // 8, "big")
        return f"<{name}>{base64.b64encode(raw).decode()}</{name}>"

    inner = "".join(element(*v) for v in (values | {"X": numbers.x}).items())
    found = proven(f"<DSAKeyValue>{inner}</DSAKeyValue>".encode())
    assert {e.fingerprint for e in found} == {fingerprint(keys["dsa-1024"])}


PUTTY_KINDS = ("rsa", "dsa", "ecdsa", "ed25519", "ed448")


@pytest.fixture(scope="module")
def putty(tmp_path_factory):
    """Makes a key file of puttygen with its public key, by kind, version and password."""
    folder = tmp_path_factory.mktemp("putty")

    def make(kind, version, password=""):
        path, secret = folder / f"{kind}.{version}.{password}", folder / "password"
        secret.write_text(password)
        size = ("-b", "1024") if kind in {"rsa", "dsa"} else ()
        run(
            "puttygen", "-q", "-t", kind, *size, "-o", path, "--ppk-param", f"version={version}",
            "--new-passphrase", secret,
        )  # fmt: skip
        public = run("puttygen", path, "-L", "--old-passphrase", secret)
        return path.read_bytes(), public

    return make


def ssh_fingerprint(line, fingerprint):
    """The fingerprint of an OpenSSH public key line."""
    public = ser.load_ssh_public_key(line)

    class Holder:
        public_key = staticmethod(lambda: public)

    return fingerprint(Holder)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("kind", PUTTY_KINDS)
def test_putty_keys_are_proven_by_numbers_and_code(kind, version, putty, proven, fingerprint):
    """Both versions, every algorithm; the authentication code agrees."""
    file, public = putty(kind, version)
    (only,) = proven(file)
    assert only.format == "putty"
    assert Proof.CHECKSUM in only.proof
    if kind not in {"dsa", "ed448"}:
        assert only.fingerprint == ssh_fingerprint(public, fingerprint)


@pytest.mark.parametrize("version", [2, 3])
def test_sealed_putty_key_shows_its_public_half(version, putty, proven, fingerprint):
    """The public lines stand in clear."""
    file, public = putty("ecdsa", version, "secret")
    (only,) = proven(file)
    assert (only.kind, only.class_) == (FindingKind.ENCRYPTED_KEY, FindingClass.ENCRYPTED)
    assert only.fingerprint == ssh_fingerprint(public, fingerprint)


def test_putty_key_in_a_string_is_found(putty, proven):
    """As a value in JSON, line breaks escaped."""
    file, _ = putty("ed25519", 3)
    (only,) = proven(json.dumps({"key": file.decode().replace("\n", "\r\n")}).encode())
    assert Proof.ED_PUBLIC_KEY in only.proof


GPG_KINDS = ("rsa2048", "ed25519", "nistp256", "brainpoolP256r1", "secp256k1", "dsa1024")


@pytest.fixture(scope="module")
def gpg(tmp_path_factory):
    """Gpg with a home of its own, holding one key of each kind and one that is protected."""
    home = tmp_path_factory.mktemp("gpg")
    home.chmod(0o700)
    env = {**os.environ, "GNUPGHOME": str(home)}

    def call(*arguments, text=None):
        base = ("gpg", "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase")
        return run(*base, *arguments, env=env, text=text)

    for kind in GPG_KINDS:
        use = "sign" if kind.startswith("dsa") else "default"
        call("", "--quick-gen-key", f"{kind} <{kind}@example.com>", kind, use, "never")
    lines = (
        "Key-Type: DSA", "Key-Length: 1024", "Subkey-Type: ELG-E", "Subkey-Length: 1024",
        "Name-Real: elgamal", "%no-protection", "%commit", "",
    )  # fmt: skip
    call("", "--gen-key", text="\n".join(lines).encode())
    call("secret", "--quick-gen-key", "sealed <sealed@example.com>", "rsa1024", "sign", "never")
    call.home = home
    yield call
    run("gpgconf", "--kill", "all", env=env)


@pytest.mark.parametrize("armour", [(), ("--armor",)], ids=["bare", "armour"])
def test_exported_openpgp_keys_are_proven(armour, gpg, proven):
    """All primary keys and subkeys of one export; of the sealed one, the public half."""
    member = gpg("secret", *armour, "--export-secret-keys")
    found = {e.fingerprint: e for e in proven(member)}
    algorithms = sorted(e.algorithm for e in found.values())
    assert algorithms == sorted(
        ["RSA", "RSA", "Ed25519", "EC P-256", "EC brainpoolP256r1", "EC secp256k1", "DSA", "DSA",
         "ElGamal"]
    )  # fmt: skip
    sealed = [e for e in found.values() if e.class_ is FindingClass.ENCRYPTED]
    assert [(e.algorithm, e.bits) for e in sealed] == [("RSA", 1024)]
    clear = [e for e in found.values() if e.class_ is FindingClass.PRIVATE]
    assert all(Proof.CHECKSUM in e.proof for e in clear)


def test_agent_files_and_exports_have_the_same_fingerprints(gpg, proven):
    """gpg-agent's files, one a key, give the keys of the export."""
    exported = {e.fingerprint: e.class_ for e in proven(gpg("secret", "--export-secret-keys"))}
    kept = {}
    for path in (gpg.home / "private-keys-v1.d").iterdir():
        (only,) = proven(path.read_bytes())
        assert only.format == "gnupg"
        kept[only.fingerprint] = only.class_
    assert kept == exported


@pytest.mark.parametrize(
    ("written", "value"),
    [(rb"\v", b"\v"), (rb"\x07", b"\7"), (rb"\007", b"\7"), (rb"a\"b\\", b'a"b\\'), (b"5", b"5")],
)
def test_quoted_numbers_are_read(written, value):
    """Libgcrypt writes a number whose bytes are nearly all printable as a string."""
    expression = sexp.read(b'(private-key (elg (g "' + written + b'")))')
    assert expression.sub(b"elg").value(b"g") == value


def test_public_openpgp_keys_are_refuted(gpg, judge):
    """A keyring of public keys, bare and in armour."""
    for armour in ((), ("--armor",)):
        judgements = judge(gpg("", *armour, "--export"))
        assert all(isinstance(j, Refuted) for j in judgements)


def test_stub_whose_secret_is_elsewhere_is_refuted(gpg, judge):
    """An export of subkeys only holds a stub of the primary key (GNU extension 1001)."""
    member = gpg("", "--export-secret-subkeys", "dsa1024@example.com")
    assert all(isinstance(j, Refuted) for j in judge(member))


def test_canonical_expression_in_memory_is_proven(proven, keys, fingerprint):
    """As gpg-agent holds a key while it is used."""
    numbers = keys["rsa-2048"].private_numbers()
    public = numbers.public_numbers
    p, q = sorted((numbers.p, numbers.q))

    def part(name, value):
        raw = value.to_bytes(value.bit_length() // 8 + 1, "big")
        return b"(1:%b%d:%b)" % (name, len(raw), raw)

    values = {
        b"n": public.n, b"e": public.e, b"d": numbers.d, b"p": p, b"q": q, b"u": pow(p, -1, q)
    }  # fmt: skip
    inner = b"".join(part(*v) for v in values.items())
    member = os.urandom(500) + b"(11:private-key(3:rsa" + inner + b"))" + os.urandom(500)
    (only,) = proven(member)
    assert only.offset == 500
    assert only.fingerprint == fingerprint(keys["rsa-2048"])


def v6_packet(algorithm, public, secret):
    """A secret key packet of RFC 9580 without a password."""
    body = b"\x06" + b"\x65\0\0\0" + bytes([algorithm]) + len(public).to_bytes(4, "big")
    body += public + b"\0" + secret
    return bytes([0xC5, len(body)]) + body


@pytest.mark.parametrize(
    ("kind", "number"), [("ed25519", 27), ("x25519", 25), ("ed448", 28), ("x448", 26)]
)
def test_packet_of_version_6_is_proven(kind, number, keys, proven, fingerprint):
    """Native fields, no checksum; whatever header the bytes before may seem to be."""
    key = keys[kind]
    packet = v6_packet(number, key.public_key().public_bytes_raw(), key.private_bytes_raw())
    for before in range(256):
        found = proven(os.urandom(300) + bytes([before]) + packet + os.urandom(300))
        assert {e.fingerprint for e in found} == {fingerprint(key)}
        assert found[0].length == len(packet)


def test_packet_in_front_of_one_that_is_cut_is_proven(keys, proven, fingerprint):
    """Wherever the member ends; memory ends where it ends."""
    key = keys["ed25519"]
    packet = v6_packet(27, key.public_key().public_bytes_raw(), key.private_bytes_raw())
    for behind in range(1, len(packet)):
        found = proven(packet + packet[:behind])
        assert {e.fingerprint for e in found} == {fingerprint(key)}


def test_age_identities_are_proven(proven):
    """age-keygen's file; the recipient is the public key."""
    identity = run("age-keygen")
    (only,) = proven(identity)
    assert (only.format, only.proof) == ("age", (Proof.CHECKSUM,))
    (wide,) = proven(identity.decode().encode("utf-16-le"))
    assert wide.fingerprint == only.fingerprint
    assert wide.length == 2 * only.length


def test_age_identity_with_a_lost_character_is_undecided(judge):
    """The checksum fails, and the rest is a guess away."""
    identity = run("age-keygen").split()[-1]
    (judgement,) = judge(identity[:40] + identity[41:])
    assert isinstance(judgement, Undecided)


def test_minisign_keys(tmp_path, proven):
    """Without a password proven, with one sealed."""
    run("minisign", "-G", "-W", "-p", "a.pub", "-s", "a.key", cwd=tmp_path)
    (clear,) = proven((tmp_path / "a.key").read_bytes())
    public = base64.b64decode((tmp_path / "a.pub").read_text().splitlines()[1])[-32:]
    assert clear.fingerprint == edwards.fingerprint("Ed25519", public)
    run("minisign", "-G", "-p", "b.pub", "-s", "b.key", cwd=tmp_path, text=b"x\nx\n")
    (sealed,) = proven((tmp_path / "b.key").read_bytes())
    assert sealed.class_ is FindingClass.ENCRYPTED


def test_signify_key(tmp_path, proven):
    """Signify -n: seed, public key and checksum agree."""
    run("signify-openbsd", "-G", "-n", "-p", "a.pub", "-s", "a.sec", cwd=tmp_path)
    (only,) = proven((tmp_path / "a.sec").read_bytes())
    assert only.proof == (Proof.ED_PUBLIC_KEY, Proof.CHECKSUM)


@pytest.mark.parametrize(
    "layout",
    [
        "[Interface]\nPrivateKey = {}\nListenPort = 51820\n",
        "[NetDev]\nKind=wireguard\n[WireGuard]\nPrivateKey={}\n",
        "[wireguard]\nlisten-port=5\nprivate-key={}\n",
        '{{"wireguard": {{"PrivateKey": "{}"}}}}',
    ],
)
def test_wireguard_private_key_is_proven(layout, proven):
    """wg-quick, systemd, NetworkManager, JSON."""
    key = run("wg", "genkey").strip()
    public = base64.b64decode(run("wg", "pubkey", text=key))
    (only,) = proven(layout.format(key.decode()).encode())
    assert only.fingerprint == edwards.fingerprint("X25519", public)


def test_wireguard_preshared_key_is_symmetric(proven):
    """It has no public half."""
    key = run("wg", "genpsk").strip().decode()
    (only,) = proven(f"[Peer]\nPresharedKey = {key}\nAllowedIPs = 0.0.0.0/0\n".encode())
    assert (only.kind, only.class_) == (FindingKind.SYMMETRIC_KEY, FindingClass.PRIVATE)


def test_private_key_setting_of_another_program_is_refuted(judge):
    """Nothing of WireGuard stands around it."""
    key = run("wg", "genkey").strip()
    assert all(isinstance(j, Refuted) for j in judge(b"settings:\nPrivateKey = " + key + b"\n"))


@pytest.mark.parametrize(
    "algorithm", ["RSASHA256", "ECDSAP256SHA256", "ECDSAP384SHA384", "ED25519", "ED448"]
)
def test_bind_keys_have_the_fingerprint_of_their_public_file(algorithm, tmp_path, proven):
    """dnssec-keygen writes the public half as a DNSKEY record beside it."""
    run("dnssec-keygen", "-q", "-a", algorithm, "example.com", cwd=tmp_path)
    (private,), (public,) = tmp_path.glob("*.private"), tmp_path.glob("*.key")
    (only,) = proven(private.read_bytes())
    record = next(x for x in public.read_text().splitlines() if not x.startswith(";"))
    raw = base64.b64decode("".join(record.split("DNSKEY")[1].split()[3:]))
    assert only.fingerprint == dnskey_fingerprint(algorithm, raw)


def dnskey_fingerprint(algorithm, raw):
    """RFC 3110, 6605 and 8080: how a DNSKEY record writes each public key."""
    if algorithm == "RSASHA256":
        size = raw[0]
        e, n = raw[1 : 1 + size], raw[1 + size :]
        return prove_rsa.fingerprint(int.from_bytes(n, "big"), int.from_bytes(e, "big"))
    if algorithm.startswith("ECDSA"):
        curve = prove_ec.CURVES["P-256" if "256" in algorithm[:9] else "P-384"]
        return prove_ec.fingerprint(curve, b"\4" + raw)
    return edwards.fingerprint(algorithm.capitalize(), raw)


def test_key_log_lines_are_session_secrets(proven):
    """TLS 1.2 and 1.3, as curl and browsers write them."""
    client = os.urandom(32).hex()
    lines = [
        f"CLIENT_RANDOM {client} {os.urandom(48).hex()}",
        f"CLIENT_TRAFFIC_SECRET_0 {client} {os.urandom(32).hex()}",
        f"SERVER_HANDSHAKE_TRAFFIC_SECRET {client} {os.urandom(48).hex()}",
        f"EXPORTER_SECRET {client} {os.urandom(32).hex()}",
    ]
    found = proven("\n".join(lines).encode())
    assert len({e.fingerprint for e in found}) == len(lines)
    assert {e.class_ for e in found} == {FindingClass.SESSION}


def test_openvpn_wrapped_keys_are_symmetric_keys(proven):
    """tls-crypt-v2: the client key begins with its 256 bytes in clear."""
    body = base64.encodebytes(os.urandom(256 + 120)).decode()
    label = "OpenVPN tls-crypt-v2 client key"
    (only,) = proven(f"-----BEGIN {label}-----\n{body}-----END {label}-----\n".encode())
    assert (only.kind, only.bits) == (FindingKind.SYMMETRIC_KEY, 2048)


def test_library_tables_of_words_are_refuted(judge):
    """The words that these formats begin with, without keys."""
    words = (
        '"kty","crv","d"', "PuTTY-User-Key-File-3: ", "(private-key (rsa (n %m)(e %m)(d %m)))",
        "<RSAKeyValue><Modulus></Modulus><D></D></RSAKeyValue>", "AGE-SECRET-KEY-1",
        "Private-key-format: v1.3", "CLIENT_RANDOM ", "[Interface]\nPrivateKey = ",
        "-----BEGIN PGP PRIVATE KEY BLOCK-----",
    )  # fmt: skip
    assert all(isinstance(j, Refuted) for j in judge("\0".join(words).encode() + bytes(50)))


def test_thousands_of_look_alikes_are_refuted_quickly(judge):
    """Public keys in sets, and private ones whose numbers are noise."""
    public = {"kty": "EC", "crv": "P-256", "x": url64(os.urandom(32)), "y": url64(os.urandom(32))}
    sets = json.dumps({"keys": [public] * 3000}).encode()
    judgements = judge(sets)
    assert len(judgements) >= 3000
    assert not any(isinstance(j, (Proven, Undecided)) for j in judgements)


def test_two_kinds_of_seeds_do_not_share_a_fingerprint(proven):
    """The same seed as Ed25519 and as X25519 is two keys."""
    seed = os.urandom(32)
    keys = (
        ed25519.Ed25519PrivateKey.from_private_bytes(seed),
        x25519.X25519PrivateKey.from_private_bytes(seed),
    )
    found = proven(b"\n".join(json.dumps(jwk_of(key)).encode() for key in keys))
    assert len({e.fingerprint for e in found}) == 2
