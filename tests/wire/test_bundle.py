"""Bundles: what a host accepts and remembers, and every way in which one is refused."""

import base64
import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from lockgate.wire import dsse
from lockgate.wire.bundle import (
    PAYLOAD_TYPE,
    STATEMENT_TYPE,
    Accepted,
    Bundle,
    BundleError,
    BundleFault,
    BundleKind,
    Expected,
    accepted,
    sign,
    verify,
)

KEY = Ed25519PrivateKey.generate()
OTHER_KEY = Ed25519PrivateKey.generate()
NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
CONTENT = b"the documents of a policy"
PACK, OTHER_PACK = ("sha256:" + digit * 64 for digit in "ab")
BUNDLE = Bundle(
    kind=BundleKind.POLICY,
    installation="lockgate.internal",
    version=7,
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    rule_packs=(PACK,),
    issued=NOW,
    expires=NOW + DAY,
)
EXPECTED = Expected(BundleKind.POLICY, "lockgate.internal", PACK, None)
LAST = accepted(BUNDLE)
STATEMENT = {
    "_type": STATEMENT_TYPE,
    "kind": "policy",
    "installation": "lockgate.internal",
    "version": 7,
    "sha256": BUNDLE.sha256,
    "rulePacks": [PACK],
    "issued": "2026-01-01T00:00:00Z",
    "expires": "2026-01-02T00:00:00Z",
}


def fault(envelope, *, content=CONTENT, expected=EXPECTED, now=NOW, key=KEY):
    """Why an envelope is refused; None when it is not."""
    try:
        verify(envelope, content, key.public_key(), expected, now)
    except BundleError as error:
        return error.fault
    return None


def signed(payload_type=PAYLOAD_TYPE, **changes):
    """A signed statement with other values; None leaves one out."""
    said = {k: v for k, v in {**STATEMENT, **changes}.items() if v is not None}
    return dsse.sign(payload_type, said, KEY)


def test_a_good_bundle_is_accepted_and_comes_back_whole():
    """All that was said is read; a second time it is accepted again."""
    envelope = sign(BUNDLE, KEY)
    assert verify(envelope, CONTENT, KEY.public_key(), EXPECTED, NOW) == BUNDLE
    assert envelope == signed()
    assert fault(envelope, expected=replace(EXPECTED, last=LAST)) is None
    newer = sign(replace(BUNDLE, version=8), KEY)
    assert fault(newer, expected=replace(EXPECTED, last=LAST)) is None


@pytest.mark.parametrize(
    ("changes", "expected", "refused"),
    [
        ({"kind": BundleKind.RULE_PACK}, {}, BundleFault.KIND),
        ({"installation": "elsewhere"}, {}, BundleFault.INSTALLATION),
        ({"sha256": "0" * 64}, {}, BundleFault.CONTENT),
        ({"version": 6}, {"last": LAST}, BundleFault.ROLLBACK),
        ({}, {"last": replace(LAST, sha256="0" * 64)}, BundleFault.ROLLBACK),
        ({"issued": NOW + DAY / 2}, {}, BundleFault.FUTURE),
        ({"issued": NOW - DAY, "expires": NOW}, {}, BundleFault.FREEZE),
        ({}, {"rule_pack": OTHER_PACK}, BundleFault.MIX_AND_MATCH),
        ({"rule_packs": (OTHER_PACK, PACK)}, {}, None),
        ({"issued": NOW + timedelta(minutes=5)}, {}, None),
    ],
)
def test_each_attack_is_refused_by_its_name(changes, expected, refused):
    """Rollback, fork, freeze, mix and match, another kind, place or content."""
    envelope = sign(replace(BUNDLE, **changes), KEY)
    assert fault(envelope, expected=replace(EXPECTED, **expected)) is refused


def test_a_clock_that_is_set_back_revives_nothing():
    """What has ended by the time of the last bundle has ended."""
    last = Accepted(7, BUNDLE.sha256, NOW + 2 * DAY)
    assert fault(sign(BUNDLE, KEY), expected=replace(EXPECTED, last=last)) is BundleFault.FREEZE


def test_another_key_another_type_and_other_content_are_refused():
    """A passport, or anything else that this key has signed, is no bundle."""
    assert fault(sign(BUNDLE, OTHER_KEY)) is BundleFault.SIGNATURE
    assert fault(signed("application/vnd.in-toto+json")) is BundleFault.SIGNATURE
    assert fault(sign(BUNDLE, KEY), content=CONTENT + b" ") is BundleFault.CONTENT
    envelope = json.loads(sign(BUNDLE, KEY))
    payload = json.dumps({**STATEMENT, "version": 99}).encode()
    envelope["payload"] = base64.b64encode(payload).decode()
    assert fault(json.dumps(envelope).encode()) is BundleFault.SIGNATURE


@pytest.mark.parametrize(
    "changes",
    [
        {"_type": "https://in-toto.io/Statement/v1"},
        {"kind": "weather"},
        {"kind": None},
        {"version": "7"},
        {"version": True},
        {"version": 7.0},
        {"version": 0},
        {"version": -1},
        {"version": 2**53},
        {"sha256": "A" * 64},
        {"sha256": 7},
        {"rulePacks": []},
        {"rulePacks": [PACK] * 17},
        {"rulePacks": PACK},
        {"rulePacks": ["sha256:" + "g" * 64]},
        {"rulePacks": [7]},
        {"rulePacks": 7},
        {"issued": 7},
        {"issued": "yesterday"},
        {"expires": "2026-01-01T00:00:00Z"},
        {"expires": "2026-01-02T00:00:00+01:00"},
        {"more": "than there should be"},
    ],
)
def test_a_signed_statement_of_another_form_is_refused(changes):
    """Also when the key has signed it: types, bounds and names are exact."""
    assert fault(signed(**changes)) is BundleFault.FORM


def test_a_name_that_stands_twice_is_refused():
    """Two readers could read two different bundles."""
    text = json.dumps(STATEMENT)[:-1] + ', "version": 9}'
    envelope = json.loads(signed())
    kind = PAYLOAD_TYPE.encode()
    encoded = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(text), text.encode())
    envelope["payload"] = base64.b64encode(text.encode()).decode()
    envelope["signatures"] = [{"sig": base64.b64encode(KEY.sign(encoded)).decode()}]
    assert fault(json.dumps(envelope).encode()) is BundleFault.FORM


def fuzz_bundle(data: bytes) -> None:
    """No bytes raise anything but a refusal; only a signed statement of this form gets none."""
    assert fault(data) is not None
    kind = PAYLOAD_TYPE.encode()
    encoded = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(data), data)
    envelope = {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(data).decode(),
        "signatures": [{"sig": base64.b64encode(KEY.sign(encoded)).decode()}],
    }
    refused = fault(json.dumps(envelope).encode())
    if refused is None:
        said = json.loads(data)
        assert type(said["version"]) is int
        assert {**said, "version": 7} == STATEMENT


@given(st.binary(max_size=300))
def test_hostile_bytes_are_refused(data):
    """As an envelope, and as what a key has signed."""
    fuzz_bundle(data)


values = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.lists(st.text())


@given(st.dictionaries(st.sampled_from(sorted(STATEMENT)), values, max_size=3))
def test_damaged_statements_are_refused(changes):
    """Any value of any type in any field: what is accepted differs in its version at most."""
    fuzz_bundle(json.dumps({**STATEMENT, **changes}).encode())


@given(st.integers(0, 2000), st.integers(0, 7))
def test_no_bit_of_what_is_said_can_be_changed(place, bit):
    """What is accepted after a change says the same: only the name of the key is a mere hint."""
    envelope = bytearray(sign(BUNDLE, KEY))
    envelope[place % len(envelope)] ^= 1 << bit
    if fault(bytes(envelope)) is None:
        payload = base64.b64decode(json.loads(bytes(envelope))["payload"])
        assert json.loads(payload) == STATEMENT
