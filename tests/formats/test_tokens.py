"""Credentials by structure and checksum: made as their services publish it, and look-alikes."""

from __future__ import annotations

import base64
import json
import os
import random
import secrets
import string
import time
import zlib
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

from lockgate.formats.azure import marvin
from lockgate.formats.plain_text import looks_random_text
from lockgate.formats.scanner import salted_formats
from lockgate.formats.tokens.table import TOKENS
from lockgate.scan.evidence import Candidate, Refuted
from lockgate.scan.report import FindingClass, FindingKind, Proof
from lockgate.scan.salt import Salt

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
URL = BASE62 + "-_"
BASE32 = string.ascii_uppercase + "234567"
HEX = "0123456789abcdef"


def draw(count, alphabet=BASE62):
    """Random text that is not refused by the one chance in ten thousand."""
    while True:
        text = "".join(secrets.choice(alphabet) for _ in range(count))
        if looks_random_text(text.encode(), len(alphabet)):
            return text


def in_base(number, alphabet, width):
    """A number in digits, the leading ones zero."""
    digits = ""
    for _ in range(width):
        number, digit = divmod(number, len(alphabet))
        digits = alphabet[digit] + digits
    return digits


def with_crc(prefix, count):
    """GitHub's and npm's scheme."""
    body = draw(count - 6)
    return prefix + body + in_base(zlib.crc32(body.encode()), BASE62, 6)


def grafana():
    """Grafana's scheme."""
    key = "glsa_" + draw(32)
    return f"{key}_{zlib.crc32(key.encode()).to_bytes(4, 'little').hex()}"


def gitlab_routable():
    """GitLab's scheme: payload, its length, a CRC-32 over all of it."""
    payload = base64.urlsafe_b64encode(b"o:1\nu:2" + os.urandom(16) + b"\x10").rstrip(b"=").decode()
    base36 = string.digits + string.ascii_lowercase
    checked = f"glpat-{payload}.01.{in_base(len(payload), base36, 2)}"
    return checked + in_base(zlib.crc32(checked.encode()), base36, 7)


def macaroon():
    """A macaroon of version 2 as PyPI makes it."""

    def field(kind, value):
        return bytes((kind, len(value))) + value

    identifier = field(2, os.urandom(16))
    caveat = field(2, b'{"permissions":"user"}') + b"\0"
    data = b"\2" + field(1, b"pypi.org") + identifier + b"\0" + caveat + b"\0"
    return "pypi-" + base64.urlsafe_b64encode(data + field(6, os.urandom(32))).rstrip(b"=").decode()


def json64(**members):
    """A JSON object in base64 without padding."""
    return base64.b64encode(json.dumps(members).encode()).rstrip(b"=").decode()


CHECKED = {
    "GitHub personal access token": lambda: with_crc("ghp_", 36),
    "GitHub OAuth token": lambda: with_crc("gho_", 36),
    "GitHub server-to-server token": lambda: with_crc("ghs_", 36),
    "GitHub refresh token": lambda: with_crc("ghr_", 76),
    "npm access token": lambda: with_crc("npm_", 36),
    "Grafana service account token": grafana,
    "GitLab personal access token": gitlab_routable,
}
STRUCTURED = {
    "PyPI API token": macaroon,
    "GitHub fine-grained token": lambda: f"github_pat_11{draw(20)}_{draw(59)}",
    "GitLab personal access token": lambda: "glpat-" + draw(20, URL),
    "Terraform Cloud token": lambda: f"{draw(14)}.atlasv1.{draw(67, URL)}",
    "Docker Hub personal access token": lambda: "dckr_pat_" + draw(27, URL),
    "Sentry organization token": lambda: f"sntrys_{json64(iat=1, url='x' * 30)}_{draw(43)}",
    "Microsoft Entra client secret": lambda: f"{draw(3)}8Q~{draw(34, URL + '~.')}",
    "Google API key": lambda: "AIza" + draw(35, URL),
    "Google OAuth client secret": lambda: "GOCSPX-" + draw(28, URL),
    "DigitalOcean personal access token": lambda: "dop_v1_" + draw(64, HEX),
    "Databricks access token": lambda: f"dapi{draw(32, HEX)}-2",
    "Vault service token": lambda: "hvs." + draw(24),
    "Doppler service token": lambda: "dp.st.prd." + draw(43),
    "1Password service account token": lambda: f"ops_{json64(secretKey=draw(40), x=draw(300))}",
    "OpenAI API key": lambda: f"sk-proj-{draw(74, URL)}T3BlbkFJ{draw(74, URL)}",
    "Anthropic API key": lambda: f"sk-ant-api03-{draw(93, URL)}AA",
    "Hugging Face access token": lambda: "hf_" + draw(34, string.ascii_letters),
    "Slack bot token": lambda: f"xoxb-104837265912-1048372659123-{draw(24)}",
    "Slack user token": lambda: f"xoxp-1048372659-2048372659-3048372659-{draw(32, HEX)}",
    "Slack app-level token": lambda: f"xapp-1-A0B1C2D3E4F-1048372659123-{draw(64, HEX)}",
    "Telegram bot token": lambda: f"1048372659:AA{draw(33, URL)}",
    "SendGrid API key": lambda: f"SG.{draw(22, URL)}.{draw(43, URL)}",
    "Twilio API key": lambda: "SK" + draw(32, HEX),
    "Stripe live secret key": lambda: "sk_live_" + draw(24),
    "Shopify access token": lambda: "shpat_" + draw(32, HEX),
    "Linear API key": lambda: "lin_api_" + draw(40),
    "Postman API key": lambda: f"PMAK-{draw(24, HEX)}-{draw(34, HEX)}",
    "Buildkite API token": lambda: "bkua_" + draw(40, HEX),
}


def only_tokens(found):
    """Evidence of this format."""
    return [e for e in found if e.format == "tokens"]


@pytest.mark.parametrize("name", CHECKED)
def test_checksum_proves_a_token(name, proven):
    """One wrong character, and it is none."""
    token = CHECKED[name]()
    (only,) = only_tokens(proven(f"token: {token}\n".encode()))
    assert (only.algorithm, only.proof) == (name, (Proof.CHECKSUM,))
    assert (only.kind, only.class_) == (FindingKind.CREDENTIAL, FindingClass.CREDENTIAL)
    assert (only.offset, only.length) == (7, len(token))
    at = 20
    wrong = token[:at] + ("a" if token[at] != "a" else "b") + token[at + 1 :]
    assert not only_tokens(proven(wrong.encode()))


@pytest.mark.parametrize("name", STRUCTURED)
def test_structure_proves_a_token(name, proven):
    """Prefix, exact length, randomness."""
    token = STRUCTURED[name]()
    (only,) = only_tokens(proven(f"x = '{token}';".encode()))
    assert (only.algorithm, only.proof) == (name, (Proof.TOKEN_STRUCTURE,))
    assert (only.offset, only.length) == (5, len(token))


@pytest.mark.parametrize("prefix", ["shpat_", "shpca_", "shppa_", "shpss_"])
@pytest.mark.parametrize("write", [str.lower, str.upper])
def test_hex_in_one_case_has_sixteen_characters(prefix, write, proven):
    """One of 600 has no more than ten different ones, which are few for 22."""
    token = prefix + write("51eaab49a8477e387eb57e8e543583e5")
    (only,) = only_tokens(proven(f"x = '{token}';".encode()))
    assert (only.length, only.bits) == (len(token), 128)


@pytest.mark.parametrize(
    "write",
    [
        lambda t: f"Authorization: Bearer {t}\r\n".encode(),
        lambda t: json.dumps({"a": json.dumps({"token": t})}).encode(),
        lambda t: f"https://user:{t}@example.com/".encode(),
        lambda t: f"?token%3D%22{t}%22".encode(),
        lambda t: f"A=1\\n{t}\\nB=2".encode(),
        lambda t: t.encode("utf-16-le"),
        lambda t: f" {t} ".encode("utf-16-be"),
        lambda t: os.urandom(64) + b"\0" + t.encode() + b"\0" + os.urandom(64),
    ],
)
def test_token_is_found_wherever_it_stands(write, proven):
    """Headers, JSON, URLs, escapes, UTF-16, memory."""
    token = with_crc("ghp_", 36)
    assert len(only_tokens(proven(write(token)))) == 1


@pytest.mark.parametrize("name", [*CHECKED, *STRUCTURED])
def test_token_inside_a_longer_word_is_refuted(name, judge):
    """A letter before or a digit after belongs to it."""
    token = (CHECKED | STRUCTURED)[name]()
    for text in (f"q{token}", f"{token}q7"):
        judgements = judge(text.encode())
        assert all(isinstance(j, Refuted) for j in judgements) or name in _OF_ANY_LENGTH


#: Tokens whose length varies: a longer one is another token.
_OF_ANY_LENGTH = {
    "Stripe live secret key", "Anthropic API key", "OpenAI API key", "Terraform Cloud token",
    "Doppler service token", "1Password service account token", "PyPI API token",
    "Microsoft Entra client secret", "Databricks access token", "Slack bot token",
}  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "ghp_" + "x" * 36,
        "glpat-xxxxxxxxxxxxxxxxxxxx",
        "glpat-my_example_token_1234",
        "sk_live_" + "0123456789" * 3,
        "sk_live_YOUR_SECRET_KEY_GOES_HERE",
        "AIzaSyExampleExampleExampleExampleExampl",
        "hf_automaticallygeneratedconfigurations",
        "hf_" + "abcdefghijklmnopqrstuvwxyzabcdefgh",
        "dop_v1_" + "0" * 64,
        "xoxb-123456789012-1234567890123-abcdefghijklmnopqrstuvwx",
        "AKIAIOSFODNN7EXAMPLE wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "SK" + "a" * 32,
        "dapi" + "1234567890abcdef" * 2,
        "npm_config_registry npm_package_version npm_lifecycle_script_name_of_the_package",
        "github_pat_" + "A" * 22 + "_" + "B" * 59,
        "DefaultEndpointsProtocol=https;AccountName=x;AccountKey=" + "A" * 86 + "==",
        "?sv=2022-11-02&se=2030-01-01&sr=b&sp=r&sig=" + "A" * 43 + "%3D",
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.",
    ],
)
def test_placeholder_is_refuted(text, judge):
    """Examples of manuals, repeated characters, counting, words."""
    assert all(isinstance(j, Refuted) for j in judge(text.encode()))


def test_every_row_of_the_table_has_a_name_of_its_own():
    """Rules are named after the rows."""
    assert len({token.slug for token in TOKENS}) == len(TOKENS)


def url64(data):
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwt_of(algorithm="HS256", size=32, **claims):
    """A token with a random signature of this size."""
    head = url64(json.dumps({"alg": algorithm, "typ": "JWT"}).encode())
    return f"{head}.{url64(json.dumps(claims).encode())}.{url64(os.urandom(size))}"


@pytest.mark.parametrize(
    ("algorithm", "size"),
    [("HS256", 32), ("HS512", 64), ("RS256", 256), ("PS384", 384), ("ES256", 64), ("EdDSA", 64)],
)
def test_signed_jwt_is_a_credential(algorithm, size, proven):
    """Whoever holds it is let in."""
    token = jwt_of(algorithm, size, sub="alice", exp=int(time.time()) + 3600)
    (only,) = proven(f"Authorization: Bearer {token}\n".encode())
    assert (only.format, only.algorithm) == ("jwt", f"JWT {algorithm}")
    assert only.class_ is FindingClass.CREDENTIAL
    assert (only.offset, only.length) == (22, len(token))


def test_jwt_whose_time_is_over_is_of_class_session(proven):
    """It lets nobody in any more, and says so itself."""
    (only,) = proven(jwt_of(sub="alice", exp=int(time.time()) - 60).encode())
    assert only.class_ is FindingClass.SESSION


@pytest.mark.parametrize(
    "token",
    [
        jwt_of("none", 0, sub="x"),
        jwt_of("RS256", 20, sub="x"),
        jwt_of("XYZ", 32, sub="x"),
        "eyJhbGciOiJIUzI1NiJ9.eyJub3QgSlNPTi.c2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF0dXJl",
        ".".join(("eyJlbmMiOiJBMTI4R0NNIn0", "eyJr", "a" * 16, "b" * 40, "c" * 22)),
    ],
)
def test_unsigned_or_broken_jwt_is_refuted(token, judge):
    """No signature, one of another length, no JSON, an encrypted token."""
    assert all(isinstance(j, Refuted) for j in judge(token.encode()))


@pytest.mark.parametrize("name", ["a", "ab", "abc"])
def test_service_account_token_in_a_kubernetes_secret_is_found(name, proven):
    """The values of Secrets are in base64, of any length."""
    claims = {"iss": "kubernetes/serviceaccount", "sub": f"system:serviceaccount:{name}"}
    token = jwt_of("RS256", 256, **claims)
    value = base64.b64encode(token.encode()).decode()
    found = proven(f"kind: Secret\ndata:\n  token: {value}\n".encode())
    names = {e.algorithm for e in found}
    assert names == {"Kubernetes service account token RS256"}
    assert found[0].length in {len(value), len(value.rstrip("="))}


AWS_LAYOUTS = [
    "[default]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
    '{{"AccessKeyId": "{}", "SecretAccessKey": "{}"}}',
    "export AWS_ACCESS_KEY_ID={}\nexport AWS_SECRET_ACCESS_KEY={}\n",
    "Access key ID,Secret access key\r\n{},{}\r\n",
    "{}\0{}\0",
]


@pytest.mark.parametrize("layout", AWS_LAYOUTS)
def test_aws_pair_is_a_credential(layout, proven):
    """The identifier and the secret near it."""
    identifier = "AKIA" + draw(16, BASE32)
    secret = draw(40, BASE62 + "+/")
    found = [e for e in proven(layout.format(identifier, secret).encode()) if e.format == "aws"]
    assert [e.algorithm for e in found] == ["AWS access key"]


def test_aws_secret_without_a_digit_is_one(proven, judge):
    """One of 900 has none; a name of as many letters is still none."""
    pair = "AKIAA6Q4ZXCCPC5H4IGN {}\n"
    secret = "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"
    (only,) = proven(pair.format(secret).encode())
    assert only.algorithm == "AWS access key"
    name = "AbstractSingletonProxyFactoryBeanManager"
    assert len(name) == len(secret)
    assert all(isinstance(j, Refuted) for j in judge(pair.format(name).encode()))


def test_aws_identifier_without_a_secret_is_refuted(judge):
    """Alone it lets nobody in; a hash in hex is no secret."""
    identifier = "AKIA" + draw(16, BASE32)
    for near in ("", os.urandom(20).hex(), "/usr/share/doc/some/long/path/to/the/fil"):
        assert all(isinstance(j, Refuted) for j in judge(f"{identifier} {near}".encode()))


def identifiable(signature, seed, before):
    """A key of Azure's identifiable scheme."""
    characters = before + 10
    size = characters * 6 // 8
    while True:
        data = bytearray(os.urandom(size))
        bits = int.from_bytes(data, "big")
        total = size * 8
        mark = int.from_bytes(base64.b64decode(signature), "big")
        shift = total - 6 * before - 24
        bits = bits & ~(0xFFFFFF << shift) | mark << shift
        body = bytearray(bits.to_bytes(size, "big")[:-4])
        # Bits between the signature and the checksum are zero.
        spare = (size - 4) * 8 - 6 * before - 24
        if spare:
            body[-1] &= 0xFF << spare & 0xFF
        key = bytes(body) + marvin.checksum(bytes(body), int.from_bytes(seed, "big"))
        return base64.b64encode(key).decode()


@pytest.mark.parametrize(
    ("signature", "seed", "before", "name"),
    [
        ("+ASt", b"Default0", 76, "Azure storage account key"),
        ("ACDb", b"MastRW00", 76, "Azure Cosmos DB key"),
        ("+ASb", b"Manage00", 33, "Azure Service Bus key"),
        ("AIoT", b"Device00", 33, "Azure IoT key"),
        ("AzCa", b"Access00", 33, "Azure Cache for Redis key"),
        ("+ACR", b"ACRDflt0", 42, "Azure Container Registry key"),
        ("AzSe", b"PAdmin00", 42, "Azure AI Search key"),
    ],
)
def test_identifiable_key_is_proven_by_its_checksum(signature, seed, before, name, proven):
    """Wherever it stands; with a wrong character it is none."""
    key = identifiable(signature, seed, before)
    (only,) = [e for e in proven(f'"{key}"'.encode()) if e.format == "azure"]
    assert (only.algorithm, only.proof) == (name, (Proof.CHECKSUM,))
    wrong = key[:5] + ("A" if key[5] != "A" else "B") + key[6:]
    assert not proven(f'"{wrong}"'.encode())


def test_marvin_gives_the_published_checksum():
    """The vector that the .NET runtime tests with: seed 0x4FB61A001BDBCC."""
    vectors = {"": 0x30ED35C100CD3C7D, "af": 0x48E73FC77D75DDC1, "e70f": 0xB5F6E1FC485DBFF8}
    for text, expected in vectors.items():
        folded = (expected >> 32) ^ (expected & 0xFFFFFFFF)
        assert int.from_bytes(marvin.checksum(bytes.fromhex(text), 0x4FB61A001BDBCC), "little") == (
            folded
        )


def test_common_annotated_key_is_proven_by_its_checksum(proven):
    """JQQJ99: 52 random characters, dates, reserved characters, signature, checksum."""
    seed = int.from_bytes(b"Default0", "big")
    while True:
        head = draw(52) + "JQQJ99" + "CK" + "A" * 16 + "TEST"
        data = base64.b64decode(head)
        tail = base64.b64encode(marvin.checksum(data, seed)[:3]).decode()
        if tail.isalnum():
            break
    (only,) = proven(f"key={head}{tail};".encode())
    assert (only.algorithm, only.proof) == ("Azure common annotated key", (Proof.CHECKSUM,))


def annotated_secret():
    """QJJQ: a secret of 256 bits with its date, in base64url."""
    secret = base64.urlsafe_b64encode(os.urandom(32) + b"\0").decode()
    return secret + "QJJQ" + "ACAP" + "TEST" + "AABL" + "BKaz"


def test_common_annotated_secret_is_proven_by_its_fixed_bits(proven, judge):
    """Zero bits, size and date; nothing else may touch it."""
    secret = annotated_secret()
    (only,) = proven(f"'{secret}'".encode())
    assert (only.algorithm, only.bits) == ("common annotated secret", 256)
    assert all(isinstance(j, Refuted) for j in judge(f"'{secret[:43]}B{secret[44:]}'".encode()))


def sas(end):
    """A shared access signature of Azure storage."""
    signature = quote(base64.b64encode(os.urandom(32)).decode(), safe="")
    return f"https://x.blob.core.windows.net/c?sv=2022-11-02&sr=c&sp=rl&se={end}&sig={signature}"


@pytest.mark.parametrize("separator", ["&", "&amp;", "\\u0026"])
def test_shared_access_signature_is_a_credential_until_its_end(separator, proven):
    """Its own parameter tells."""
    later = datetime.now(UTC) + timedelta(days=9)
    url = sas(later.strftime("%Y-%m-%dT%H%%3A%M%%3A%SZ")).replace("&", separator)
    (only,) = proven(f'"{url}"'.encode())
    assert only.class_ is FindingClass.CREDENTIAL
    (over,) = proven(f'"{sas("2020-01-01T00%3A00%3A00Z")}"'.encode())
    assert over.class_ is FindingClass.SESSION


@pytest.mark.parametrize(
    ("setting", "size"),
    [("AccountName=a;AccountKey=", 64), ("Endpoint=sb://x/;SharedAccessKey=", 32)],
)
def test_connection_string_is_a_credential(setting, size, proven):
    """The key's exact size behind its name."""
    key = base64.b64encode(os.urandom(size)).decode()
    (only,) = proven(f"{setting}{key};\n".encode())
    assert (only.length, only.bits) == (len(key), 8 * size)


@pytest.mark.parametrize(
    ("alphabet", "count"),
    [
        (BASE62, 30), (HEX, 32), (HEX, 40), (URL, 43), (string.ascii_letters, 34),
        (BASE32, 16), (BASE32, 64), (string.ascii_uppercase + string.digits, 27),
    ],
)  # fmt: skip
def test_random_text_looks_random(alphabet, count):
    """Of tens of thousands, hardly one is taken for a placeholder, whatever it is drawn from."""
    maker = random.Random(count)
    texts = ("".join(maker.choices(alphabet, k=count)).encode() for _ in range(20_000))
    assert sum(not looks_random_text(text, len(alphabet)) for text in texts) <= 10


@pytest.mark.parametrize("word", [b"mydatabasepassword24", b"correcthorsebatterystaple7"])
def test_words_are_no_passwords_where_nothing_tells_that_they_are_secrets(word):
    """They change between letters and digits as seldom as some random text."""
    assert not looks_random_text(word, 36, may_be_words=True)


@pytest.mark.parametrize(
    ("inside", "is_random"),
    [
        ("NNNnN", True), ("Xxxx", True), ("xXxX", True),
        ("NNNNN", False), ("xxxx", False), ("XXXX", False),
    ],
)  # fmt: skip
def test_what_repeats_in_one_case_only_is_a_placeholder(inside, is_random):
    """In both cases the same letter stands four or five times in one of 2,000 long tokens."""
    rest = "".join(random.Random(1).choices(URL, k=300))
    assert looks_random_text(f"{rest}{inside}{rest[::-1]}".encode(), 64) == is_random


def test_decoys_of_tokens_are_settled_quickly(judge):
    """Tens of thousands of well-formed tokens with wrong checksums."""
    maker = random.Random(9)
    text = "\n".join("ghp_" + "".join(maker.choices(BASE62, k=36)) for _ in range(20_000))
    began = time.process_time()
    judgements = judge(text.encode())
    assert time.process_time() - began < 20
    assert len(judgements) == 20_000
    assert all(isinstance(j, Refuted) for j in judgements)


def docker(password):
    """Docker's config.json with one login."""
    login = base64.b64encode(f"user:{password}".encode()).decode()
    return json.dumps({"auths": {"r.example.com": {"auth": login}}})


LOGINS = {
    "Docker registry login": lambda: docker(draw(20)),
    "npm registry login": lambda: f"//registry.npmjs.org/:_authToken={draw(36, HEX)}\n",
    "Kubernetes bootstrap token": lambda: (
        "kubeadm join 10.0.0.1:6443 --token "
        f"{draw(6, 'abcdefgh0123')}.{draw(16, string.ascii_lowercase + string.digits)} --x"
    ),
    "netrc login": lambda: f"machine git.corp.net\n login alice\n password {draw(20)}\n",
}


@pytest.mark.parametrize("name", LOGINS)
def test_login_is_a_credential_with_a_keyed_fingerprint(name, proven):
    """A plain hash of a password could be guessed."""
    (only,) = proven(LOGINS[name]().encode())
    assert (only.format, only.algorithm) == ("logins", name)
    assert only.class_ is FindingClass.CREDENTIAL
    assert only.fingerprint.startswith("hmac-sha256:")


def test_login_fingerprints_follow_the_site_salt():
    """The same salt gives the same fingerprint, another salt another."""
    text = LOGINS["netrc login"]().encode()

    def fingerprint(salt):
        (form,) = (f for f in salted_formats(Salt(salt)) if f.name == "logins")
        at = text.index(b" login")
        candidate = Candidate("logins_netrc", text, 0, at, starts_member=True, ends_member=True)
        return form.prove(candidate).evidence[0].fingerprint

    assert fingerprint(b"a" * 32) == fingerprint(b"a" * 32) != fingerprint(b"b" * 32)


@pytest.mark.parametrize(
    "text",
    [
        docker("password"),
        "//registry.npmjs.org/:_authToken=${NPM_TOKEN_OF_THE_PIPELINE}",
        "machine host.example.com login myself password secretpassword",
        "kubeadm join --token abcdef.0123456789abcdef 10.0.0.1:6443",
        'key "x" { algorithm hmac-sha256; secret "' + "A" * 43 + '="; };',
    ],
)
def test_login_of_a_manual_is_refuted(text, judge):
    """Structure with words in it."""
    assert all(isinstance(j, Refuted) for j in judge(text.encode()))


def test_transaction_key_of_a_name_server_is_symmetric(proven):
    """named.conf, as tsig-keygen writes it."""
    secret = base64.b64encode(os.urandom(32)).decode()
    text = f'key "x" {{\n\talgorithm hmac-sha256;\n\tsecret "{secret}";\n}};\n'
    (only,) = proven(text.encode())
    assert (only.format, only.kind, only.bits) == ("dnssec", FindingKind.SYMMETRIC_KEY, 256)


#: BIP 32, test vector 1, chain m; the key of the Bitcoin wiki's page on the import format.
PUBLISHED_BITCOIN = (
    "xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi",
    "importprivkey 5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ",
)


@pytest.mark.parametrize("text", PUBLISHED_BITCOIN)
def test_bitcoin_keys_are_proven_by_their_checksum(text, proven, judge):
    """Extended keys and the wallet import format."""
    (only,) = proven(text.encode())
    assert (only.format, only.algorithm) == ("bitcoin", "EC secp256k1")
    wrong = text[:-4] + ("a" if text[-4] != "a" else "b") + text[-3:]
    assert all(isinstance(j, Refuted) for j in judge(wrong.encode()))
