"""Every kind of key in every encoding: found, at its place, with its fingerprint."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess

import pytest
from cryptography.hazmat.primitives import serialization as ser

from lockgate.scan.evidence import NeedsPublic, Proven, Refuted, Undecided
from lockgate.scan.report import FindingClass, FindingKind, Proof

KINDS = (
    "rsa-1024", "rsa-2048", "rsa-2048-e3", "p224", "p256", "p384", "p521", "secp256k1",
    "brainpool256", "brainpool384", "brainpool512", "ed25519", "x25519", "ed448", "x448",
    "dsa-1024",
)  # fmt: skip
SEEDS = ("ed25519", "x25519", "ed448", "x448")
TRADITIONAL = {"rsa-2048": "pkcs1", "p256": "sec1", "p521": "sec1", "dsa-1024": "dsa"}
SSH = ("rsa-2048", "p256", "p384", "p521", "ed25519", "dsa-1024")
NOISE = bytes(range(1, 200)) * 3


@pytest.mark.parametrize("kind", KINDS)
def test_pkcs8_alone_in_its_member_is_proven(kind, keys, encoded, proven, fingerprint):
    """A PKCS #8 file is one key, its span is the file."""
    member = encoded(keys[kind], "DER", "PKCS8")
    first = proven(member)[0]
    assert (first.format, first.offset, first.length) == ("pkcs8", 0, len(member))
    assert first.fingerprint == fingerprint(keys[kind])
    assert (first.kind, first.class_) == (FindingKind.PRIVATE_KEY, FindingClass.PRIVATE)


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in SEEDS])
def test_pkcs8_in_the_midst_of_memory_is_proven(kind, keys, encoded, proven, fingerprint):
    """Where the numbers prove themselves, the surroundings do not matter."""
    der = encoded(keys[kind], "DER", "PKCS8")
    first = proven(NOISE + der + NOISE)[0]
    assert (first.offset, first.length) == (len(NOISE), len(der))
    assert first.fingerprint == fingerprint(keys[kind])


@pytest.mark.parametrize("kind", SEEDS)
def test_seed_in_the_midst_of_memory_needs_its_public_half(kind, keys, encoded, judge):
    """After the fixed prefix any bytes parse, so the public key must stand elsewhere."""
    der = encoded(keys[kind], "DER", "PKCS8")
    (judgement,) = judge(NOISE + der + NOISE)
    public = keys[kind].public_key().public_bytes_raw()
    assert isinstance(judgement, NeedsPublic)
    assert judgement.publics == (public,)
    assert isinstance(judgement.otherwise, Undecided)
    assert judgement.evidence.offset == judgement.otherwise.offset == len(NOISE)


def test_seed_prefix_before_a_constant_is_refuted(keys, encoded, judge):
    """A table of prefixes in a library is no key."""
    prefix = encoded(keys["ed25519"], "DER", "PKCS8")[:16]
    for tail in (bytes(32), b"the quick brown fox jumps over it", bytes(range(32))):
        judgements = judge(NOISE + prefix + tail[:32] + NOISE)
        assert judgements
        ends = [j.otherwise if isinstance(j, NeedsPublic) else j for j in judgements]
        assert all(isinstance(end, Refuted) for end in ends)


@pytest.mark.parametrize(("kind", "form"), TRADITIONAL.items())
def test_traditional_der_is_proven(kind, form, keys, encoded, proven, fingerprint):
    """PKCS #1, SEC 1 and the DSA structure, in memory and alone."""
    der = encoded(keys[kind], "DER", "TraditionalOpenSSL")
    for before in (b"", NOISE):
        first = proven(before + der + before)[0]
        assert (first.format, first.offset, first.length) == (form, len(before), len(der))
        assert first.fingerprint == fingerprint(keys[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_pem_is_proven_with_its_whole_span(kind, keys, encoded, proven, fingerprint):
    """The span goes from the dashes of BEGIN to those of END."""
    pem = encoded(keys[kind], "PEM", "PKCS8").rstrip()
    (only,) = proven(b"# a key:\n" + pem + b"\n# that was it\n")
    assert (only.format, only.offset, only.length) == ("pem", 9, len(pem))
    assert only.fingerprint == fingerprint(keys[kind])


@pytest.mark.parametrize("kind", SSH)
def test_openssh_is_proven_in_and_out_of_armour(kind, keys, encoded, proven, fingerprint):
    """openssh-key-v1: numbers and check integers; the private fields in it are proven too."""
    pem = encoded(keys[kind], "PEM", "OpenSSH")
    armoured, *_ = proven(pem)
    binary = base64.b64decode(b"".join(pem.splitlines()[1:-1]))
    bare, *inside = proven(NOISE + binary + NOISE)
    assert armoured.fingerprint == bare.fingerprint == fingerprint(keys[kind])
    assert {e.fingerprint for e in inside} == {bare.fingerprint}
    assert "openssh-section" in {e.format for e in inside}
    assert (bare.format, bare.offset, bare.length) == ("openssh", len(NOISE), len(binary))
    assert Proof.CHECK_INTEGERS in bare.proof


@pytest.mark.parametrize("kind", ["rsa-2048", "p256", "ed25519"])
def test_sealed_openssh_shows_the_fingerprint_of_its_public_blob(kind, tmp_path, proven):
    """ssh-keygen's own sealed file; the public half stands before the sealed one."""
    arguments = {"rsa-2048": "rsa", "p256": "ecdsa", "ed25519": "ed25519"}
    path = tmp_path / "id"
    command = ["ssh-keygen", "-q", "-t", arguments[kind], "-N", "secret", "-f", str(path)]
    subprocess.run(command, check=True, timeout=60)
    (only,) = proven(path.read_bytes())
    public = ser.load_ssh_public_key(path.with_suffix(".pub").read_bytes())
    der = public.public_bytes(ser.Encoding.DER, ser.PublicFormat.SubjectPublicKeyInfo)
    assert only.class_ is FindingClass.ENCRYPTED
    assert only.fingerprint == f"sha256:{hashlib.sha256(der).hexdigest()}"


@pytest.mark.parametrize("encoding", ["DER", "PEM"])
def test_sealed_pkcs8_is_a_sealed_key(encoding, keys, encoded, proven):
    """EncryptedPrivateKeyInfo is found by structure, with a fingerprint of the blob."""
    (only,) = proven(encoded(keys["p256"], encoding, "PKCS8", b"secret"))
    assert (only.kind, only.class_) == (FindingKind.ENCRYPTED_KEY, FindingClass.ENCRYPTED)
    assert only.fingerprint.startswith("blob-sha256:")
    assert only.proof == (Proof.SEALED_STRUCTURE,)


def test_legacy_sealed_pem_is_a_sealed_key(keys, encoded, proven):
    """Proc-Type and DEK-Info headers."""
    pem = encoded(keys["rsa-2048"], "PEM", "TraditionalOpenSSL", b"secret")
    assert b"DEK-Info" in pem
    (only,) = proven(pem)
    assert (only.class_, only.algorithm) == (FindingClass.ENCRYPTED, "RSA")


def test_openssl_command_writes_what_is_found(tmp_path, proven):
    """Keys made by the openssl command line, RSA-PSS and explicit curve parameters too."""
    path = tmp_path / "key"
    for arguments in (
        ["-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"],
        ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-pkeyopt", "ec_param_enc:explicit"],
        ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048",
         "-pkeyopt", "rsa_keygen_primes:3"],
    ):  # fmt: skip
        command = ["openssl", "genpkey", *arguments, "-out", str(path)]
        subprocess.run(command, check=True, timeout=120, capture_output=True)
        (only,) = proven(path.read_bytes())
        assert only.fingerprint.startswith("sha256:")


DISGUISES = {
    "crlf": lambda pem: pem.replace("\n", "\r\n").encode(),
    "indented": lambda pem: pem.replace("\n", "\n      ").encode(),
    "yaml": lambda pem: ("key: |\n  " + pem.replace("\n", "\n  ")).encode(),
    "json": lambda pem: json.dumps({"key": pem}).encode(),
    "json twice": lambda pem: json.dumps(json.dumps({"key": pem})).encode(),
    "json slashes": lambda pem: json.dumps({"key": pem}).replace("/", "\\/").encode(),
    "crlf in json": lambda pem: json.dumps(pem.replace("\n", "\r\n")).encode(),
    "one line": lambda pem: pem.replace("\n", "").encode(),
    "one line, spaces": lambda pem: pem.replace("\n", " ").encode(),
    "unicode escapes": lambda pem: pem.replace("\n", "\\u000a").encode(),
    "url": lambda pem: pem.replace("\n", "%0A").replace("+", "%2B").replace("/", "%2F").encode(),
    "html": lambda pem: pem.replace("\n", "&#10;").encode(),
    "c strings": lambda pem: "".join(f'"{x}\\n"\n' for x in pem.splitlines()).encode(),
    "js strings": lambda pem: "".join(f"'{x}\\n' +\n" for x in pem.splitlines()).encode(),
    "syslog": lambda pem: "".join(
        f"Nov 21 05:00:01 signing-host-01 tokens[4711]: {x}\n" for x in pem.splitlines()
    ).encode(),
    "quoted mail": lambda pem: "".join(f"> {x}\n" for x in pem.splitlines()).encode(),
    "diff": lambda pem: "".join(f"+{x}\n" for x in pem.splitlines()).encode(),
    "utf-16le": lambda pem: pem.encode("utf-16-le"),
    "utf-16be": lambda pem: pem.encode("utf-16-be"),
    "utf-16 with mark": lambda pem: pem.encode("utf-16"),
    "no end": lambda pem: pem.partition("-----END")[0].encode(),
    "no end, then text": lambda pem: (
        pem.partition("-----END")[0] + "INFO the service started normally\n"
    ).encode(),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["rsa-2048", "p256", "ed25519"])
@pytest.mark.parametrize("disguise", DISGUISES)
def test_disguised_pem_is_found_once(disguise, kind, keys, encoded, proven, fingerprint):
    """Whatever happened to the text on its way, the key in it is found."""
    pem = encoded(keys[kind], "PEM", "PKCS8").decode()
    (only,) = proven(b"\n# before\n" + DISGUISES[disguise](pem))
    assert only.fingerprint == fingerprint(keys[kind])


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_wide_span_covers_whole_characters(codec, keys, encoded, proven):
    """The span of UTF-16 text is bytes, from the first half of the first dash."""
    text = "xy" + encoded(keys["p256"], "PEM", "PKCS8").decode().rstrip()
    (only,) = proven(text.encode(codec))
    assert (only.offset, only.length) == (4, 2 * (len(text) - 2))


def test_span_without_end_line_stops_with_the_key(keys, encoded, proven):
    """Text after a key whose END line is missing is no part of it."""
    body = encoded(keys["rsa-2048"], "PEM", "PKCS8").partition(b"-----END")[0].rstrip()
    (only,) = proven(body + b"\nfollowing text\n")
    assert only.length in range(len(body) - 3, len(body) + 1)


def test_label_may_lie(keys, encoded, proven, fingerprint):
    """An RSA label over openssh bytes: the content decides."""
    pem = encoded(keys["ed25519"], "PEM", "OpenSSH").replace(b"OPENSSH", b"RSA")
    (only,) = proven(pem)
    assert only.fingerprint == fingerprint(keys["ed25519"])


def test_openvpn_static_key_is_a_symmetric_key(proven):
    """256 bytes of hex under their own label."""
    lines = "\n".join(os.urandom(16).hex() for _ in range(16))
    text = f"-----BEGIN OpenVPN Static key V1-----\n{lines}\n-----END OpenVPN Static key V1-----\n"
    (only,) = proven(text.encode())
    assert (only.kind, only.bits) == (FindingKind.SYMMETRIC_KEY, 2048)


def test_judgement_never_shows_private_bytes(keys, encoded, judge):
    """Neither evidence nor its representation holds the scalar."""
    der = encoded(keys["p256"], "DER", "PKCS8")
    secret = keys["p256"].private_numbers().private_value
    shown = repr(judge(der))
    assert all(isinstance(j, Proven) for j in judge(der))
    assert str(secret) not in shown
    assert f"{secret:x}" not in shown
