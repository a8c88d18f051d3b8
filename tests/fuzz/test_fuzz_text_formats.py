"""Hostile text never raises in any prover of text formats, and noise is never proven."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate import formats
from lockgate.formats.age import bech32
from lockgate.formats.azure import keys as azure_keys
from lockgate.formats.gnupg import sexp
from lockgate.formats.jwk.members import object_around
from lockgate.formats.openpgp import prover as openpgp
from lockgate.formats.tokens import checksums
from lockgate.scan.evidence import (
    Candidate,
    Judgement,
    NeedsPublic,
    Proven,
    Refuted,
    Undecided,
    Unfolded,
)
from lockgate.scan.rule_strings import literals_of

JUDGEMENTS = (Proven, Refuted, Undecided, NeedsPublic, Unfolded)

#: What each format's rule points at, and words that its prover understands.
STARTS = {
    "jwk": b'"kty":"RSA","n":"AQAB","e":"AQAB","d":"',
    "xml_key": b"Modulus>AQAB</Modulus><P>AQ</P><D>",
    "putty": b"PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nPublic-Lines: 1\n",
    "gnupg": b"(private-key (rsa (n #00",
    "openpgp": b"\x00\x11\x01\x00\x01",
    "age": b"AGE-SECRET-KEY-1",
    "minisign": b"RWQAAEIy",
    "wireguard": b"PrivateKey = ",
    "keylog": b"CLIENT_RANDOM ",
    "dnssec": b"Private-key-format: v1.3\nAlgorithm: 8 (RSASHA256)\nModulus: ",
    "jwt": b".eyJ",
    "aws": b"AKIA",
    "azure": b"+ASt",
    "logins": b'"auths": {"x": {"auth": "',
    "bitcoin": b"xprv",
}
WORDS = st.sampled_from(
    [
        b'"d":"', b'"crv":"P-256",', b'"kty":"EC"', b"{", b"}", b"</RSAKeyValue>", b"<P>", b"(d #",
        b"#)", b")", b"11:", b"999999:", b"Private-Lines: 9\n", b"Private-MAC: 00\n", b"AQAB",
        b"Prime1: ", b"=\n", b"\\n", b"\\u0026", b"&amp;", b"\0", b"\xff", b"[Interface]",
        b"sig=", b"&se=99999999999999", b"sv=2022-11-02", b"A" * 44, b"0" * 64, b"\x95\x03\x98\x04",
        b"\xc5\xff\xff\xff\xff\xff\x04", b"\x06\0\0\0\0\x1b\0\0\0 ", b"ssh-ed25519", b"QJJQ",
    ]
)  # fmt: skip
HOSTILE = st.lists(
    st.one_of(WORDS, st.binary(max_size=40), st.text(max_size=20).map(str.encode)), max_size=16
).map(b"".join)
FORMATS = {form.name: form for form in formats.ALL if form.name in STARTS}


def fuzz_format(name: str, before: bytes, after: bytes) -> Judgement:
    """The prover of one format on what its rule points at, with anything around."""
    form = FORMATS[name]
    rules = re.findall(r"(?m)^rule (\w+)", form.rule_source)
    window = before + STARTS[name] + after
    rule = rules[len(window) % len(rules)]
    return form.prove(Candidate(rule, window, 3, len(before), True, True))


def fuzz_tokens(data: bytes, place: int) -> list[Judgement]:
    """Every row of the table of tokens at one place."""
    form = next(f for f in formats.ALL if f.name == "tokens")
    rules = re.findall(r"(?m)^rule (\w+)", form.rule_source)
    return [form.prove(Candidate(r, data, 0, place, False, False)) for r in rules]


def fuzz_parsers(data: bytes) -> None:
    """The readers below the provers."""
    sexp.read(data)
    object_around(data, len(data) // 2)
    openpgp.judge(data)
    bech32.decode(b"AGE-SECRET-KEY-", data)
    for check in (checksums.crc_base62, checksums.pypi, checksums.grafana, checksums.json_inside):
        assert isinstance(check(data), bool)
    for find in (
        azure_keys.identifiable, azure_keys.annotated_key, azure_keys.annotated_secret
    ):  # fmt: skip
        find(data, len(data) // 2)


@pytest.mark.parametrize("name", sorted(STARTS))
@settings(max_examples=80, deadline=None)
@given(before=HOSTILE, after=HOSTILE, wide=st.booleans())
def test_text_provers_never_raise(name, before, after, wide):
    """Any text around a match is settled, in ASCII and in UTF-16."""
    if wide:
        before, after = (x.decode("latin-1").encode("utf-16-le") for x in (before, after))
    assert isinstance(fuzz_format(name, before, after), JUDGEMENTS)


@settings(max_examples=60, deadline=None)
@given(data=HOSTILE, place=st.integers(0, 300))
def test_token_prover_never_raises(data, place):
    """Any row at any place, also past the window."""
    assert all(isinstance(j, JUDGEMENTS) for j in fuzz_tokens(data, place))


@settings(max_examples=300, deadline=None)
@given(HOSTILE)
def test_parsers_of_text_formats_never_raise(data):
    """S-expressions, JSON members, packets, checksums."""
    fuzz_parsers(data)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_noise_is_never_proven(data):
    """Random bytes after the words of every format."""
    assert not any(isinstance(fuzz_format(name, b"", data), Proven) for name in STARTS)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80))
def test_any_rule_text_has_literals_or_none(text):
    """The reader of rules gives up on what it does not understand."""
    source = f"rule x\n{{\n strings: $a = /{text}/ ascii\n condition: any of them }}\n"
    found = literals_of(source)
    assert found is None or all(isinstance(x, bytes) for x in found)


def test_deep_nesting_ends():
    """A hundred thousand opening braces or parentheses."""
    fuzz_parsers(b"(" * 100_000)
    fuzz_format("jwk", b"{" * 30_000, b"}" * 30_000)
    assert checksums.json_inside(b"ops_" + json.dumps([[]] * 9).encode()) is False
