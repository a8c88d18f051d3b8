"""Key files and key stores as real tools write them, through the whole scanner."""

from __future__ import annotations

import hashlib
import os
import struct
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import dh, ec, mldsa, mlkem, rsa

from lockgate.formats.scanner import standard_scanner
from lockgate.scan.engine import Scanner
from lockgate.scan.report import Finding, FindingClass, Outcome, Proof, Report

Scan = Callable[[bytes], Report]

_DER = ser.Encoding.DER


@pytest.fixture(scope="module")
def scanner() -> Scanner:
    """The scanner as it is shipped."""
    return standard_scanner()


@pytest.fixture
def scan(scanner: Scanner) -> Scan:
    """Scan bytes as a file."""

    def run(content: bytes) -> Report:
        with tempfile.TemporaryFile() as file:
            file.write(content)
            file.flush()
            return scanner.scan_fd(file.fileno(), "file")

    return run


def tool(*command: str | Path, given: str = "", folder: Path | None = None) -> None:
    """Run a program that makes a key file."""
    subprocess.run(
        command, input=given, text=True, check=True, capture_output=True, cwd=folder, timeout=120
    )


def spki(public: bytes) -> str:
    """The fingerprint of a SubjectPublicKeyInfo."""
    return f"sha256:{hashlib.sha256(public).hexdigest()}"


def public_of(key: object) -> str:
    """The fingerprint as ``cryptography`` encodes the public half."""
    return spki(key.public_key().public_bytes(_DER, ser.PublicFormat.SubjectPublicKeyInfo))


def only(report: Report) -> Finding:
    """The one finding of a report without gaps."""
    assert not report.gaps
    (finding,) = report.findings
    return finding


@pytest.fixture(scope="module")
def rsa_pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh RSA key in a file, with its certificate beside it."""
    path = tmp_path_factory.mktemp("keys") / "key.pem"
    subject = ("-subj", "/CN=test key", "-days", "2")
    files = ("-keyout", path, "-out", path.with_suffix(".crt"))
    tool("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *subject, *files)
    return path


@pytest.fixture
def fingerprint(rsa_pem: Path) -> str:
    """Of that key."""
    return public_of(ser.load_pem_private_key(rsa_pem.read_bytes(), None))


def pkcs12(rsa_pem: Path, password: str, *options: str) -> bytes:
    """The key and its certificate in a store made by openssl."""
    store = rsa_pem.with_suffix(".p12")
    words = ("-inkey", rsa_pem, "-in", rsa_pem.with_suffix(".crt"), "-out", store)
    tool("openssl", "pkcs12", "-export", *words, "-passout", f"pass:{password}", *options)
    return store.read_bytes()


def test_a_sealed_pkcs12_store_is_a_sealed_key(scan: Scan, rsa_pem: Path) -> None:
    """What a password protects is class encrypted, whatever else is in the store."""
    finding = only(scan(pkcs12(rsa_pem, "a password of its own")))
    assert finding.class_ is FindingClass.ENCRYPTED


def test_a_default_password_opens_a_pkcs12_store(
    scan: Scan, rsa_pem: Path, fingerprint: str
) -> None:
    """The key is private, as if it were not sealed, and the report says by what it was opened."""
    finding = only(scan(pkcs12(rsa_pem, "changeit")))
    assert (finding.class_, finding.fingerprint) == (FindingClass.PRIVATE, fingerprint)
    assert Proof.DEFAULT_PASSWORD in finding.proof


def test_a_pkcs12_store_without_sealing_shows_its_key(
    scan: Scan, rsa_pem: Path, fingerprint: str
) -> None:
    """Key bags need no password."""
    options = ("-keypbe", "NONE", "-certpbe", "NONE", "-nomac")
    assert only(scan(pkcs12(rsa_pem, "", *options))).fingerprint == fingerprint


def test_a_truststore_with_a_default_password_is_clean(
    scan: Scan, rsa_pem: Path, tmp_path: Path
) -> None:
    """Certificates are nothing, in either form of Java's stores."""
    for kind in ("PKCS12", "JKS"):
        store = tmp_path / kind
        words = ("-alias", "ca", "-file", rsa_pem.with_suffix(".crt"), "-keystore", store)
        password = ("-storetype", kind, "-storepass", "changeit")
        tool("keytool", "-importcert", "-noprompt", *words, *password)
        assert scan(store.read_bytes()).outcome is Outcome.CLEAN


@pytest.mark.parametrize("kind", ["JKS", "JCEKS", "PKCS12"])
@pytest.mark.parametrize("password", ["changeit", "one of its own"])
def test_java_keystores_are_found(scan: Scan, tmp_path: Path, kind: str, password: str) -> None:
    """Opened by a default password where the layout lets us, else sealed and named by its key."""
    store = tmp_path / "store"
    words = ("-alias", "test", "-dname", "CN=test key", "-keyalg", "EC", "-keystore", store)
    secret = ("-storetype", kind, "-storepass", password, "-keypass", password)
    tool("keytool", "-genkeypair", *words, *secret)
    certificate = tmp_path / "certificate"
    export = ("-alias", "test", "-keystore", store, "-storepass", password, "-file", certificate)
    tool("keytool", "-exportcert", *export)
    key = x509.load_der_x509_certificate(certificate.read_bytes()).public_key()
    expected = spki(key.public_bytes(_DER, ser.PublicFormat.SubjectPublicKeyInfo))
    finding = only(scan(store.read_bytes()))
    opened = password == "changeit" and kind != "JCEKS"
    assert (finding.class_ is FindingClass.PRIVATE) == opened
    if opened or kind != "PKCS12":
        assert finding.fingerprint == expected


@pytest.mark.parametrize(("sealing", "class_"), [("-pvk-none", "private"), ("-pvk-weak", "sealed")])
def test_pvk_files_are_found(
    scan: Scan, rsa_pem: Path, fingerprint: str, tmp_path: Path, sealing: str, class_: str
) -> None:
    """The blob of CryptoAPI in Microsoft's key file, in the clear and sealed."""
    path = tmp_path / "key.pvk"
    provider = ("-provider", "legacy", "-provider", "default", "-passout", "pass:its own")
    words = ("-in", rsa_pem, "-outform", "PVK", "-out", path)
    tool("openssl", "rsa", *words, sealing, *provider)
    finding = only(scan(path.read_bytes()))
    if class_ == "private":
        assert (finding.class_, finding.fingerprint) == (FindingClass.PRIVATE, fingerprint)
    else:
        assert finding.class_ is FindingClass.ENCRYPTED


def test_a_private_key_blob_is_found(
    scan: Scan, rsa_pem: Path, fingerprint: str, tmp_path: Path
) -> None:
    """MSBLOB stands anywhere, also behind other bytes."""
    path = tmp_path / "key.blob"
    tool("openssl", "rsa", "-in", rsa_pem, "-outform", "MSBLOB", "-out", path)
    finding = only(scan(os.urandom(77) + path.read_bytes()))
    assert (finding.fingerprint, finding.occurrences[0].offset) == (fingerprint, 77)


@pytest.mark.parametrize("kind", ["rsa", "ecdsa", "ed25519"])
def test_dropbear_keys_are_found(scan: Scan, tmp_path: Path, kind: str) -> None:
    """Each kind of key of dropbearkey, known by the public line that it prints."""
    path = tmp_path / "key"
    tool("dropbearkey", "-t", kind, "-f", path)
    shown = subprocess.run(
        ["dropbearkey", "-y", "-f", path], capture_output=True, check=True, text=True
    )
    line = next(x for x in shown.stdout.splitlines() if x.startswith(("ssh-", "ecdsa-")))
    public = ser.load_ssh_public_key(line.encode())
    expected = spki(public.public_bytes(_DER, ser.PublicFormat.SubjectPublicKeyInfo))
    assert only(scan(path.read_bytes())).fingerprint == expected


def ktutil(lines: Sequence[str]) -> None:
    """Say the lines to ktutil, each when it asks: it loses what comes before it asks."""
    program = subprocess.Popen(
        ["stdbuf", "-o0", "ktutil"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert program.stdin is not None
    assert program.stdout is not None
    for line in lines:
        while program.stdout.read(1) not in {b":", b""}:
            pass
        program.stdin.write(f"{line}\n".encode())
        program.stdin.flush()
    program.communicate(timeout=30)


def test_every_key_of_a_keytab_is_found(scan: Scan, tmp_path: Path) -> None:
    """Long-term keys are private, each known by the hash of its bytes."""
    path = tmp_path / "keytab"
    secrets = {"aes256-cts-hmac-sha1-96": 32, "aes128-cts-hmac-sha1-96": 16, "rc4-hmac": 16}
    keys = [os.urandom(size) for size in secrets.values()]
    entry = "addent -key -p host/a.test.example@TEST.EXAMPLE -k 1 -e"
    for kind, key in zip(secrets, keys, strict=True):
        ktutil((f"{entry} {kind}", key.hex(), f"wkt {path}"))
    report = scan(path.read_bytes())
    assert {f.fingerprint for f in report.findings} == {spki(key) for key in keys}
    assert {f.class_ for f in report.findings} == {FindingClass.PRIVATE}


def test_a_ticket_is_a_credential(scan: Scan) -> None:
    """A credential cache lets its bearer in (layout of the MIT documentation, version 4)."""

    def counted(value: bytes) -> bytes:
        return struct.pack(">I", len(value)) + value

    def principal(*names: bytes) -> bytes:
        head = struct.pack(">II", 1, len(names)) + counted(b"TEST.EXAMPLE")
        return head + b"".join(map(counted, names))

    secret = os.urandom(32)
    user = principal(b"someone")
    block = struct.pack(">H", 18) + counted(secret)
    rest = (
        struct.pack(">4IBI", 1, 2, 3, 4, 0, 0) + bytes(8) + counted(os.urandom(90)) + counted(b"")
    )
    ticket = user + principal(b"krbtgt", b"TEST.EXAMPLE") + block + rest
    report = scan(b"\x05\x04" + struct.pack(">HHHII", 12, 1, 8, 0, 0) + user + ticket)
    finding = only(report)
    assert (finding.class_, finding.fingerprint) == (FindingClass.CREDENTIAL, spki(secret))


@pytest.mark.parametrize("kind", ["gost01", "gost12-256", "gost12-512"])
def test_gost_keys_are_found(scan: Scan, tmp_path: Path, kind: str) -> None:
    """As certtool makes them, known by the public key that it derives."""
    path, public = tmp_path / "key.pem", tmp_path / "public.der"
    tool("certtool", "--generate-privkey", "--key-type", kind, "--outfile", path)
    derive = ("--load-privkey", path, "--outder", "--outfile", public)
    tool("certtool", "--pubkey-info", *derive)
    pem = path.read_text()
    text = pem[pem.index("-----BEGIN") :].encode()
    assert only(scan(text)).fingerprint == spki(public.read_bytes())


@pytest.mark.parametrize("version", ["luks1", "luks2"])
def test_luks_headers_are_sealed_stores(scan: Scan, tmp_path: Path, version: str) -> None:
    """As cryptsetup writes them."""
    path = tmp_path / "volume"
    path.write_bytes(bytes(20 << 20))
    cost = ("--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000")
    words = ("--batch-mode", "--type", version, *cost, path, "-")
    tool("cryptsetup", "luksFormat", *words, given="its own password")
    classes = {f.class_ for f in scan(path.read_bytes()).findings}
    assert classes == {FindingClass.ENCRYPTED}


@pytest.mark.parametrize(
    "kind",
    [
        mlkem.MLKEM768PrivateKey,
        mlkem.MLKEM1024PrivateKey,
        mldsa.MLDSA44PrivateKey,
        mldsa.MLDSA65PrivateKey,
        mldsa.MLDSA87PrivateKey,
    ],
)
@pytest.mark.parametrize("encoding", [ser.Encoding.PEM, ser.Encoding.DER])
def test_post_quantum_seeds_are_found(scan: Scan, kind: type, encoding: ser.Encoding) -> None:
    """The seed form of PKCS #8, as text and alone in a file."""
    key = kind.generate()
    content = key.private_bytes(encoding, ser.PrivateFormat.PKCS8, ser.NoEncryption())
    assert only(scan(content)).fingerprint == public_of(key)


def test_a_seed_among_other_bytes_needs_its_public_half(scan: Scan) -> None:
    """Behind the prefix any bytes would parse: undecided alone, found with the public key."""
    key = mldsa.MLDSA65PrivateKey.generate()
    content = key.private_bytes(_DER, ser.PrivateFormat.PKCS8, ser.NoEncryption())
    public = key.public_key().public_bytes(_DER, ser.PublicFormat.SubjectPublicKeyInfo)
    around = os.urandom(64)
    assert scan(around + content + around).outcome is Outcome.INCOMPLETE
    assert only(scan(around + content + around + public)).fingerprint == public_of(key)


def test_diffie_hellman_keys_are_found(scan: Scan) -> None:
    """A private value in a group whose modulus is prime."""
    group = dh.DHParameterNumbers(_GROUP_14, 2)
    key = group.parameters().generate_private_key()
    content = key.private_bytes(_DER, ser.PrivateFormat.PKCS8, ser.NoEncryption())
    assert only(scan(content)).fingerprint == public_of(key)


def cng_blob(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    """The blob that BCryptExportKey gives (bcrypt.h); there is no such tool on this system."""
    numbers = key.private_numbers()
    public = numbers.public_numbers
    if isinstance(key, ec.EllipticCurvePrivateKey):
        size = -(-key.curve.key_size // 8)
        magic = {32: b"ECS2", 48: b"ECS4", 66: b"ECS6"}[size]
        values = (public.x, public.y, numbers.private_value)
        return struct.pack("<4sI", magic, size) + b"".join(v.to_bytes(size, "big") for v in values)
    size = key.key_size // 8
    half = size // 2
    head = struct.pack("<4s5I", b"RSA3", key.key_size, 3, size, half, half)
    parts = ((public.e, 3), (public.n, size), (numbers.p, half), (numbers.q, half))
    crt = ((numbers.dmp1, half), (numbers.dmq1, half), (numbers.iqmp, half), (numbers.d, size))
    return head + b"".join(value.to_bytes(width, "big") for value, width in parts + crt)


@pytest.mark.parametrize("curve", [ec.SECP256R1, ec.SECP384R1, ec.SECP521R1, None])
def test_cng_blobs_are_found(scan: Scan, curve: type[ec.EllipticCurve] | None) -> None:
    """Synthetic, by the public layout: RSA and the NIST curves."""
    key = (
        rsa.generate_private_key(65537, 2048) if curve is None else ec.generate_private_key(curve())
    )
    assert only(scan(os.urandom(33) + cng_blob(key))).fingerprint == public_of(key)


#: The 2048-bit group of RFC 3526, section 3.
_GROUP_14 = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
    "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F"
    "83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B"
    "E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510"
    "15728E5A8AACAA68FFFFFFFFFFFFFFFF",
    16,
)
