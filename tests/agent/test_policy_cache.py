"""The signed policy that a host keeps: verified when it comes and whenever it is read."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from lockgate.agent.uplink.bundles import PolicyCache
from lockgate.v1 import bundle_pb2 as pb
from lockgate.wire.bundle import Bundle, BundleError, BundleFault, BundleKind, sign

KEY, OTHER_KEY = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
PACK, OTHER_PACK = ("sha256:" + digit * 64 for digit in "ab")


def answer(version: int = 7, content: bytes = b"policy", key: Any = KEY, **changes: Any) -> Any:
    """What a controller answers."""
    fields: dict[str, Any] = {
        "kind": BundleKind.POLICY,
        "installation": "here",
        "version": version,
        "sha256": hashlib.sha256(content).hexdigest(),
        "rule_packs": (PACK,),
        "issued": NOW,
        "expires": NOW + DAY,
    }
    envelope = sign(Bundle(**{**fields, **changes}), key)
    public = key.public_key().public_bytes_raw()
    return pb.FetchPolicyResponse(envelope=envelope, content=content, public_key=public)


@pytest.fixture
def cache(tmp_path: Path) -> PolicyCache:
    """A cache that has accepted version 7."""
    made = PolicyCache(tmp_path / "policy.json")
    made.accept(answer(), NOW)
    return made


def again(tmp_path: Path) -> PolicyCache:
    """The same after a restart."""
    return PolicyCache(tmp_path / "policy.json")


def test_what_was_accepted_is_there_after_a_restart(cache: PolicyCache, tmp_path: Path) -> None:
    """With its content; before anything came there is none."""
    current = again(tmp_path).current(NOW)
    assert current is not None
    assert (current[0].version, current[1]) == (7, b"policy")
    assert PolicyCache(tmp_path / "none.json").current(NOW) is None


@pytest.mark.parametrize(
    ("offered", "fault"),
    [
        (answer(6), BundleFault.ROLLBACK),
        (answer(7, b"other"), BundleFault.ROLLBACK),
        (answer(8, key=OTHER_KEY), BundleFault.SIGNATURE),
        (answer(8, installation="elsewhere"), BundleFault.INSTALLATION),
        (answer(8, kind=BundleKind.RULE_PACK), BundleFault.KIND),
        (answer(8, issued=NOW - 2 * DAY, expires=NOW - DAY), BundleFault.FREEZE),
        (pb.FetchPolicyResponse(), BundleFault.FORM),
    ],
)
def test_what_is_refused_leaves_what_was_kept(
    cache: PolicyCache, tmp_path: Path, offered: Any, fault: BundleFault
) -> None:
    """Also by a cache that was started anew."""
    for each in (cache, again(tmp_path)):
        with pytest.raises(BundleError) as refused:
            each.accept(offered, NOW)
        assert refused.value.fault is fault
    current = cache.current(NOW)
    assert current is not None
    assert current[0].version == 7


def test_what_has_run_out_or_is_for_another_rule_pack_is_not_used(cache: PolicyCache) -> None:
    """The clock and the scanner are asked whenever it is read."""
    with pytest.raises(BundleError) as refused:
        cache.current(NOW + DAY)
    assert refused.value.fault is BundleFault.FREEZE
    cache.rule_pack = OTHER_PACK
    with pytest.raises(BundleError) as refused:
        cache.current(NOW)
    assert refused.value.fault is BundleFault.MIX_AND_MATCH
    cache.rule_pack = PACK
    assert cache.current(NOW) is not None


def test_a_newer_bundle_takes_the_place_of_the_older(cache: PolicyCache, tmp_path: Path) -> None:
    """Also one that holds an older content: it was taken back by people."""
    cache.accept(answer(8, b"stricter"), NOW)
    cache.accept(answer(9, b"policy"), NOW)
    current = again(tmp_path).current(NOW)
    assert current is not None
    assert (current[0].version, current[1]) == (9, b"policy")


values = st.none() | st.integers() | st.text(max_size=10) | st.dictionaries(st.text(), st.text())


@given(st.dictionaries(st.sampled_from(["key", "envelope", "content", "last"]), values, min_size=1))
def test_a_file_that_somebody_changed_is_refused(
    tmp_path_factory: pytest.TempPathFactory, changes: dict[str, Any]
) -> None:
    """Whatever stands in it now; it is never taken for an empty one, which would trust anew."""
    folder = tmp_path_factory.mktemp("cache")
    PolicyCache(folder / "policy.json").accept(answer(), NOW)
    kept = json.loads((folder / "policy.json").read_text("ascii"))
    (folder / "policy.json").write_text(json.dumps({**kept, **changes}), "ascii")
    with pytest.raises(BundleError):
        again(folder).current(NOW)


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "{}", '{"key": 7}', "[" * 100_000])
def test_a_file_that_cannot_be_read_accepts_nothing(tmp_path: Path, text: str) -> None:
    """Somebody has to look: what it held cannot be told any more."""
    (tmp_path / "policy.json").write_text(text, "ascii")
    for ask in (again(tmp_path).current, lambda now: again(tmp_path).accept(answer(), now)):
        with pytest.raises(BundleError):
            ask(NOW)
    assert again(tmp_path).status()["version"] is None
