"""One fuzz target for everything that a receiving side reads: ``fuzz_<what>(data)``.

Any engine that feeds bytes can drive the targets; here hypothesis does so briefly, from random
bytes and from damaged envelopes, and from envelopes around damaged payloads.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from lockgate.scan.report import EngineInfo, Report
from lockgate.wire import dsse, passport, revocations
from lockgate.wire.passport import PassportError
from lockgate.wire.revocations import RevocationError, RevocationList, Rule
from lockgate.wire.transfer import Boundary, Decision, FileIdentity, Transfer, Verdict, Zone

KEY = Ed25519PrivateKey.generate()
NOW = datetime(2026, 1, 2, tzinfo=UTC)
REPORT = Report("/p", "a" * 64, 3, (), (), 3, 0.1, EngineInfo("1", "pack", "deep", ("markers",)))
MOVE = Transfer(
    "01890a5d-ac96-774b-bcce-b302099a8057",
    Zone("prod"),
    "host1",
    Boundary.OPEN,
    "/p",
    FileIdentity(1, 2, 3, 4, 5),
    None,
    NOW,
)
PASSPORT = passport.sign(REPORT, MOVE, Decision(Verdict.ALLOW), KEY, NOW)
LIST = revocations.sign(
    RevocationList(1, NOW, NOW + timedelta(days=1), (Rule("r", host="h", since=NOW),)), KEY
)


def fuzz_passport(data: bytes) -> bool:
    """Whether it verifies; any failure is the one kind of error."""
    try:
        passport.verify(data, KEY.public_key(), "a" * 64, NOW)
    except PassportError:
        return False
    return True


def fuzz_revocations(data: bytes) -> bool:
    """Whether it is a list; any failure is the one kind of error."""
    try:
        revocations.read(data, KEY.public_key(), NOW)
    except RevocationError:
        return False
    return True


TARGETS = [(fuzz_passport, PASSPORT), (fuzz_revocations, LIST)]


def meaning(envelope: bytes) -> tuple[object, ...] | None:
    """What an envelope says, however it is spelled; None when it is none."""
    try:
        outer = json.loads(envelope)
        raw = [base64.b64decode(outer["payload"]), base64.b64decode(outer["signatures"][0]["sig"])]
    except (ValueError, KeyError, TypeError, IndexError):
        return None
    return (outer["payloadType"], *raw)


@pytest.mark.parametrize(("target", "valid"), TARGETS)
@given(data=st.data())
def test_damaged_envelopes_verify_only_if_they_say_the_same(
    target: Callable[[bytes], bool], valid: bytes, data: st.DataObject
) -> None:
    """A byte changed, put in or taken out, anywhere."""
    place = data.draw(st.integers(0, len(valid) - 1))
    byte = bytes([data.draw(st.integers(0, 255))])
    rest = data.draw(st.sampled_from([valid[place:], valid[place + 1 :], b""]))
    damaged = valid[:place] + data.draw(st.sampled_from([b"", byte])) + rest
    assert target(valid)
    assert not target(damaged) or meaning(damaged) == meaning(valid)


@pytest.mark.parametrize(("target", "valid"), TARGETS)
@given(data=st.binary(max_size=300))
def test_random_bytes_are_refused(
    target: Callable[[bytes], bool], valid: bytes, data: bytes
) -> None:
    """Alone, and as the payload of an envelope."""
    outer = json.loads(valid) | {"payload": base64.b64encode(data).decode()}
    assert not target(data)
    assert not target(json.dumps(outer).encode())


@pytest.mark.parametrize(("target", "valid"), TARGETS)
@given(data=st.data())
def test_signed_payloads_that_lack_something_are_refused(
    target: Callable[[bytes], bool], valid: bytes, data: st.DataObject
) -> None:
    """The key signs what is no passport and no list: still one kind of error."""
    outer = json.loads(valid)
    said = json.loads(base64.b64decode(outer["payload"]))
    inner = said.get("predicate", said)
    del inner[data.draw(st.sampled_from(sorted(REQUIRED & inner.keys())))]
    assert not target(dsse.sign(outer["payloadType"], said, KEY))


REQUIRED = {"transferId", "host", "fromZone", "boundary", "issued", "expires", "revoked"}
