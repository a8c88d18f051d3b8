"""Keys in every disguise: found once, with their own fingerprint; public ones never."""

from __future__ import annotations

import base64
import datetime as dt
import gzip
import itertools
import json
import os
import subprocess
import textwrap
import urllib.parse
from dataclasses import dataclass, field

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as ser
from cryptography.x509.oid import NameOID
from disguises import ARMOURED, BARE, ENCODED
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.scan.evidence import NeedsPublic, Proven, Refuted, Undecided
from lockgate.scan.report import FindingClass

BEFORE, AFTER = b"\n# before\n", b"\n# that was it\n"
#: Kind of key, form of its private half.
FORMS = {
    "rsa-2048 pkcs8": ("rsa-2048", "PKCS8"),
    "rsa-2048 pkcs1": ("rsa-2048", "TraditionalOpenSSL"),
    "rsa-1024 pkcs8": ("rsa-1024", "PKCS8"),
    "p256 pkcs8": ("p256", "PKCS8"),
    "p256 sec1": ("p256", "TraditionalOpenSSL"),
    "p384 sec1": ("p384", "TraditionalOpenSSL"),
    "p521 pkcs8": ("p521", "PKCS8"),
    "secp256k1 sec1": ("secp256k1", "TraditionalOpenSSL"),
    "ed25519": ("ed25519", "PKCS8"),
    "x25519": ("x25519", "PKCS8"),
    "ed448": ("ed448", "PKCS8"),
    "dsa-1024": ("dsa-1024", "PKCS8"),
    "openssh ed25519": ("ed25519", "OpenSSH"),
    "openssh p256": ("p256", "OpenSSH"),
    "sealed": ("p256", "sealed"),
}


@dataclass(frozen=True)
class Case:
    """One key in one form; ``fingerprint`` None where it is sealed."""

    pem: str = field(repr=False)
    der: bytes = field(repr=False)
    fingerprint: str | None


@pytest.fixture(scope="session")
def cases(keys, encoded, fingerprint) -> dict[str, Case]:
    """Every form of key."""
    return {
        name: _case(keys[kind], form, encoded, fingerprint) for name, (kind, form) in FORMS.items()
    }


def _case(key, form, encoded, fingerprint) -> Case:
    if form == "sealed":
        pem = encoded(key, "PEM", "PKCS8", b"correct horse").decode()
        return Case(pem, _body(pem), None)
    pem = encoded(key, "PEM", form).decode()
    return Case(pem, _body(pem), fingerprint(key))


def _body(pem: str) -> bytes:
    return base64.b64decode("".join(pem.splitlines()[1:-1]))


def _check(judge, text: bytes, case: Case) -> None:
    """Exactly one key is proven in the text, and nothing stays open."""
    judgements = judge(text)
    evidence = _proven(judgements)
    keys = {e.fingerprint for e in evidence}
    assert len(keys) == 1
    if case.fingerprint is None:
        assert {e.class_ for e in evidence} == {FindingClass.ENCRYPTED}
    else:
        assert keys == {case.fingerprint}
        assert {e.class_ for e in evidence} == {FindingClass.PRIVATE}
    assert not [j for j in judgements if isinstance(j, (Undecided, NeedsPublic))]
    assert all(0 <= e.offset < e.offset + e.length <= len(text) for e in evidence)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("disguise", ARMOURED)
def test_disguised_armour_is_found_once(disguise, form, cases, judge):
    """Whatever happened to the lines of an armoured key, it is found."""
    case = cases[form]
    wide = "utf-16" in disguise or "utf-32" in disguise
    before, after = (b"", b"") if wide else (BEFORE, AFTER)
    _check(judge, before + ARMOURED[disguise](case.pem, case.der) + after, case)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("disguise", ENCODED)
def test_encoded_armour_is_found_once(disguise, form, cases, judge):
    """An armoured key, encoded as a whole."""
    case = cases[form]
    before, after = (b"", b"") if "utf-16" in disguise else (BEFORE, AFTER)
    _check(judge, before + ENCODED[disguise](case.pem, case.der) + after, case)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("disguise", BARE)
def test_encoded_bytes_are_found_once(disguise, form, cases, judge):
    """The bytes of a key in text, without armour."""
    case = cases[form]
    before, after = (b"", b"") if "utf-16" in disguise else (BEFORE, AFTER)
    _check(judge, before + BARE[disguise](case.pem, case.der) + after, case)


PUBLIC = ("public key", "certificate", "request", "random")


@pytest.fixture(scope="session")
def harmless(keys) -> dict[str, Case]:
    """Public halves of every usual kind, and bytes that are nothing."""
    rsa_key, ec_key = keys["rsa-2048"], keys["p256"]
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lockgate.test")])
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder(name, name, rsa_key.public_key(), 1, start, start)
    certificate = builder.sign(rsa_key, hashes.SHA256())
    request = x509.CertificateSigningRequestBuilder(name).sign(ec_key, hashes.SHA256())
    spki = ser.Encoding.DER, ser.PublicFormat.SubjectPublicKeyInfo
    ders = {
        "public key": ec_key.public_key().public_bytes(*spki),
        "certificate": certificate.public_bytes(ser.Encoding.DER),
        "request": request.public_bytes(ser.Encoding.DER),
        "random": os.urandom(900),
    }
    return {kind: Case(_armoured(kind.upper(), der), der, None) for kind, der in ders.items()}


def _armoured(label: str, der: bytes) -> str:
    body = "\n".join(textwrap.wrap(base64.b64encode(der).decode(), 64))
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n"


@pytest.mark.parametrize("disguise", [*ARMOURED, *ENCODED, *BARE])
@pytest.mark.parametrize("kind", PUBLIC)
def test_public_halves_in_disguise_are_clean(kind, disguise, harmless, judge):
    """What is no private key leaves neither a finding nor a gap, however it is written."""
    case = harmless[kind]
    change = ARMOURED.get(disguise) or ENCODED.get(disguise) or BARE[disguise]
    judgements = judge(BEFORE + change(case.pem, case.der) + AFTER)
    assert not [j for j in judgements if not isinstance(j, Refuted)]


@pytest.mark.parametrize("form", ["rsa-2048 pkcs1", "p256 pkcs8", "openssh ed25519"])
@pytest.mark.parametrize("disguise", [*ARMOURED, *BARE])
def test_span_holds_the_text(disguise, form, cases, judge):
    """From the first to the last character of the body, as far as they stand there as such."""
    case = cases[form]
    text = (ARMOURED.get(disguise) or BARE[disguise])(case.pem, case.der)
    lines = case.pem.splitlines()
    ends = [part for part in (lines[1][:24].encode(), lines[-2][:12].encode()) if part in text]
    (first, *_) = _proven(judge(text))
    assert all(first.offset <= text.index(part) for part in ends)
    assert all(text.index(part) + len(part) <= first.offset + first.length for part in ends)


@pytest.mark.parametrize("lost", [1, 3, 8])
def test_lost_first_lines_leave_the_primes(lost, cases, judge):
    """Without BEGIN and the first lines, the last numbers of an RSA key prove it."""
    case = cases["rsa-2048 pkcs1"]
    text = "\n".join(case.pem.splitlines()[1 + lost :]) + "\n"
    for disguise in ("plain", "syslog", "json", "utf-16le"):
        found = _proven(judge(ARMOURED[disguise](text, b"")))
        assert {e.fingerprint for e in found} == {case.fingerprint}


@pytest.mark.parametrize("lost", [15, 17, 20])
def test_lost_primes_are_recovered_from_their_exponents(lost, cases, judge):
    """p, then q, then both are cut off: dP, dQ and qInv are enough."""
    case = cases["rsa-2048 pkcs1"]
    text = "\n".join(case.pem.splitlines()[1 + lost :]) + "\n"
    found = judge(text.encode())
    assert {e.fingerprint for e in _proven(found)} <= {case.fingerprint}
    assert [j for j in found if not isinstance(j, Refuted)]


def test_remains_that_prove_nothing_are_undecided(cases, judge):
    """The second half of an EC key's lines still tells half of its scalar."""
    text = "\n".join(cases["p256 pkcs8"].pem.splitlines()[2:])
    assert any(isinstance(j, Undecided) for j in judge(text.encode()))


@pytest.mark.parametrize(
    "disguise", ["plain", "json", "syslog", "utf-16le", "url", "docker json", "html rows"]
)
@pytest.mark.parametrize("form", ["rsa-2048 pkcs8", "p256 pkcs8", "openssh p256"])
def test_damaged_body_is_not_clean(disguise, form, cases, judge):
    """Characters that were lost in the midst of the body leave at least a gap."""
    case = cases[form]
    body = case.pem.index("\n", 80)
    text = case.pem[: body + 20] + case.pem[body + 25 :]
    judgements = judge(ARMOURED[disguise](text, b""))
    assert [j for j in judgements if not isinstance(j, Refuted)]


@pytest.mark.parametrize("disguise", ["base64", "hex", "colon hex", "decimal", "octal", "percent"])
def test_cut_bytes_are_not_clean(disguise, cases, judge):
    """A key without its end, in text."""
    text = BARE[disguise]("", cases["rsa-2048 pkcs8"].der[:700])
    assert [j for j in judge(text) if not isinstance(j, Refuted)]


@pytest.mark.parametrize(
    "body",
    [
        "...",
        "<redacted>",
        "x" * 64 + "\n" + "x" * 64,
        "MIIEpAIBAAKCAQEA...",
        "YOUR PRIVATE KEY HERE",
        "${PRIVATE_KEY}",
        "{{ .Values.tls.key | b64dec }}",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "*" * 64,
        "MIIE[removed]==",
    ],
)
@pytest.mark.parametrize("disguise", ["plain", "json", "yaml block", "utf-16le", "c strings"])
def test_placeholders_are_clean(disguise, body, judge):
    """What manuals write in place of a key."""
    text = f"-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----\n"
    assert not [j for j in judge(ARMOURED[disguise](text, b"")) if not isinstance(j, Refuted)]


#: Encodings that can be put around any other.
LAYERS = {
    "base64": base64.b64encode,
    "base64 lines": base64.encodebytes,
    "base64url": base64.urlsafe_b64encode,
    "hex": lambda data: data.hex().encode(),
    "utf-16": lambda data: data.decode("latin-1").encode("utf-16-le"),
    "json": lambda data: json.dumps({"k": data.decode("latin-1")}).encode(),
    "url": lambda data: urllib.parse.quote(data, safe="").encode(),
    "gzip base64": lambda data: base64.b64encode(gzip.compress(data)),
    "log": lambda data: b"".join(b"2026-11-21 app[7]: " + x + b"\n" for x in data.split(b"\n")),
    "quoted": lambda data: b"> " + data.replace(b"\n", b"\n> "),
}
#: Of these no more than two may stand inside one another, one where UTF-16 is inside it: each
#: has anchors of the next one.
HEAVY = {"base64", "base64 lines", "base64url", "hex", "gzip base64"}


def _may_follow(layers: list[str]) -> bool:
    heavy = [name for name in layers if name in HEAVY]
    packed = [i for i, name in enumerate(heavy) if name == "gzip base64"]
    behind_wide = layers[layers.index("utf-16") + 1 :] if "utf-16" in layers else []
    return (
        len(heavy) <= (1 if behind_wide else 2)
        and all(i == len(heavy) - 1 for i in packed)
        and set(behind_wide) <= HEAVY
    )


ORDERS = [
    layers
    for count in range(4)
    for layers in itertools.product(LAYERS, repeat=count)
    if _may_follow(list(layers))
]


@pytest.mark.parametrize("form", ["rsa-1024 pkcs8", "p256 pkcs8", "ed25519", "openssh p256"])
def test_encodings_inside_one_another_are_found(form, cases, judge):
    """Up to three encodings around an armoured key, in every order."""
    missed = []
    for layers in ORDERS:
        data = cases[form].pem.encode()
        for name in layers:
            data = LAYERS[name](data)
        if {e.fingerprint for e in _proven(judge(data))} != {cases[form].fingerprint}:
            missed.append(layers)
    assert not missed


@settings(max_examples=150, deadline=None)
@given(
    disguise=st.sampled_from([*ARMOURED, *ENCODED, *BARE]),
    form=st.sampled_from(sorted(FORMS)),
    flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=12),
    cut=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_damaged_disguises_are_settled(disguise, form, flips, cut, cases, judge):
    """Whatever happens to the text, every candidate in it is settled, inside the text."""
    case = cases[form]
    change = ARMOURED.get(disguise) or ENCODED.get(disguise) or BARE[disguise]
    text = bytearray(change(case.pem, case.der))
    for place, value in flips:
        text[int(place * (len(text) - 1))] = value
    first, last = (int(share * len(text)) for share in sorted(cut))
    member = bytes(text[first:last])
    for evidence in _proven(judge(member)):
        assert 0 <= evidence.offset <= evidence.offset + evidence.length <= len(member)


_SPELT = {
    "rsa-2048", "p256", "p384", "p521", "secp256k1", "ed25519", "x25519", "ed448", "dsa-1024",
}  # fmt: skip
SPELLING = {
    "openssl": (["openssl", "pkey", "-text", "-noout"], _SPELT),
    "certtool": (["certtool", "-k"], _SPELT - {"secp256k1"}),
}


@pytest.mark.parametrize(
    ("tool", "kind"),
    [(tool, kind) for tool, (_, kinds) in SPELLING.items() for kind in sorted(kinds)],
)
def test_tools_that_spell_numbers_out(tool, kind, keys, encoded, fingerprint, judge):
    """``openssl pkey -text`` and ``certtool --key-info``."""
    command, _ = SPELLING[tool]
    pem = encoded(keys[kind], "PEM", "PKCS8")
    printed = subprocess.run(command, input=pem, capture_output=True, check=True).stdout
    text = printed.partition(b"-----BEGIN")[0]
    assert {e.fingerprint for e in _proven(judge(text))} == {fingerprint(keys[kind])}


@pytest.mark.parametrize(
    "form",
    [
        "RsaKey(n={n}, e=65537, d={d}, p={p}, q={q}, u={u})",
        "PrivateKey({n}, 65537, {d}, {p}, {q})",
        "&{{PublicKey:{{N:+{n} E:65537}} D:+{d} Primes:[+{p} +{q}]}}",
        "n = {n}\np = {p}\n",
        "p={p:#x}, q={q:#x}, d={d:#x}",
        "{{'n': {n}, 'd': {d}}}",
    ],
)
def test_numbers_that_programs_print(form, keys, fingerprint, judge):
    """Debug prints of PyCryptodome, rsa, Go and of people."""
    numbers = keys["rsa-2048"].private_numbers()
    text = form.format(
        n=numbers.public_numbers.n, d=numbers.d, p=numbers.p, q=numbers.q, u=numbers.iqmp
    )
    assert {e.fingerprint for e in _proven(judge(text.encode()))} == {fingerprint(keys["rsa-2048"])}


def test_two_primes_alone_prove_nothing(keys, judge):
    """Their own product is no modulus that anybody used."""
    numbers = keys["rsa-2048"].private_numbers()
    assert not _proven(judge(f"p = {numbers.p}\nq = {numbers.q}\n".encode()))


def _proven(judgements) -> list:
    return [e for j in judgements if isinstance(j, Proven) for e in j.evidence]
