"""Hostile bytes never raise in any parser of key material, and noise is never proven."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate import formats
from lockgate.formats.dsa import prover as dsa
from lockgate.formats.openssh import prover as openssh
from lockgate.formats.pem import prover as pem
from lockgate.formats.pkcs1 import prover as pkcs1
from lockgate.formats.pkcs8 import prover as pkcs8
from lockgate.formats.sec1 import prover as sec1
from lockgate.scan.evidence import (
    Candidate,
    Judgement,
    NeedsPublic,
    Proven,
    Refuted,
    Undecided,
    Unfolded,
)
from lockgate.scan.protected import ProtectedKey
from lockgate.scan.prove import der
from lockgate.scan.registry import RegistryError
from lockgate.scan.registry_files import read_entries

JUDGEMENTS = (Proven, Refuted, Undecided, NeedsPublic, Unfolded)

_OIDS = [
    "06092a864886f70d010101", "06072a8648ce3d0201", "06032b6570", "06032b656e", "06032b6571",
    "06072a8648ce380401", "06082a8648ce3d030107", "06092a864886f70d01050d",
]  # fmt: skip


def _element(children: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    tags = st.sampled_from([0x02, 0x03, 0x04, 0x06, 0x30, 0xA0, 0xA1, 0x81])
    return st.builds(
        lambda tag, parts: der.encode(tag, *parts), tags, st.lists(children, max_size=10)
    )


#: Bytes that look like DER: nested elements around numbers, OIDs and noise.
DER = st.recursive(
    st.one_of(
        st.binary(max_size=40),
        st.integers(0, 1 << 520).map(der.encode_integer),
        st.sampled_from([bytes.fromhex(o) for o in _OIDS]),
    ),
    _element,
    max_leaves=25,
)
HOSTILE = st.one_of(st.binary(max_size=400), DER, DER.map(lambda d: d[: len(d) // 2]))
SSH = st.lists(
    st.one_of(
        st.sampled_from([b"none", b"ssh-rsa", b"ssh-ed25519", b"ecdsa-sha2-nistp256", b"\0\0\0\1"]),
        st.binary(max_size=80),
    ).map(lambda s: len(s).to_bytes(4, "big") + s),
    max_size=12,
).map(lambda parts: openssh.MAGIC + b"".join(parts))


def fuzz_binary(data: bytes) -> list[Judgement]:
    """Every prover of binary structures on the same bytes."""
    return [
        pkcs1.judge(data, anchored=True),
        pkcs1.judge(data),
        pkcs8.judge(data, anchored=True),
        pkcs8.judge(data, anchored=False),
        sec1.judge(data, anchored=True),
        sec1.judge(data, anchored=False),
        dsa.judge(data),
        openssh.judge(data),
    ]


def fuzz_armour(data: bytes) -> Judgement:
    """A BEGIN line and whatever follows."""
    window = b"-----BEGIN RSA PRIVATE KEY-----" + data
    return pem.settle(Candidate("pem", window, 0, 0, starts_member=True, ends_member=True))


def fuzz_registry(data: bytes) -> list[ProtectedKey] | RegistryError:
    """Any content of a registry file gives entries or one kind of error."""
    try:
        return list(read_entries(data, "registry"))
    except RegistryError as error:
        return error


@settings(max_examples=400, deadline=None)
@given(HOSTILE)
def test_binary_provers_never_raise(data):
    """Any bytes are settled."""
    assert all(isinstance(j, JUDGEMENTS) for j in fuzz_binary(data))


@settings(max_examples=200, deadline=None)
@given(SSH)
def test_openssh_prover_never_raises(data):
    """Any fields after the magic are settled."""
    assert isinstance(openssh.judge(data), JUDGEMENTS)


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=300),
        st.text("AZaz09+/=\\nr%0A \"'\n-ENDBGI:,", max_size=300).map(str.encode),
        st.text(max_size=100).map(lambda t: t.encode("utf-16-le", "surrogatepass")),
    )
)
def test_armour_prover_never_raises(data):
    """Any text after a BEGIN line is settled."""
    assert isinstance(fuzz_armour(data), JUDGEMENTS)


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(
        HOSTILE,
        st.text(max_size=200).map(lambda t: t.encode("utf-8", "replace")),
        st.text(max_size=60).map(lambda t: ("[[key]]\n" + t).encode("utf-8", "replace")),
        st.text(max_size=60).map(lambda t: ('{"keys":[' + t).encode("utf-8", "replace")),
    )
)
def test_registry_files_never_raise_anything_else(data):
    """Whatever a registry file holds, there is one kind of error."""
    entries = fuzz_registry(data)

    assert isinstance(entries, RegistryError) or all(isinstance(e, ProtectedKey) for e in entries)


@pytest.mark.parametrize("form", formats.ALL, ids=lambda f: f.name)
@settings(max_examples=60, deadline=None)
@given(data=HOSTILE, match=st.integers(0, 420))
def test_candidates_at_any_place_are_settled(form, data, match):
    """A match may point anywhere, also past the window."""
    candidate = Candidate(form.name, data, 5, match, starts_member=False, ends_member=False)
    assert isinstance(form.prove(candidate), JUDGEMENTS)
