"""Signed policies from a running controller into the cache of a host."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

sys.path.insert(0, str(Path(__file__).parents[2] / "fakes"))
sys.path.insert(0, str(Path(__file__).parent))

from policies import content

from lockgate.agent.uplink.bundles import PolicyCache
from lockgate.controller import clock, setup
from lockgate.controller.ledger import Ledger
from lockgate.controller.policies import store
from lockgate.controller.policies.bundles import LIFE, Signer, rule_pack
from lockgate.controller.policies.live import Deciding, LivePolicies, Loaded
from lockgate.controller.policies.rings import Ring
from lockgate.controller.policies.store import Origin, PolicySource
from lockgate.formats import ALL
from lockgate.scan.engine import Scanner
from lockgate.scan.registry import Registry
from lockgate.v1 import bundle_pb2, bundle_pb2_grpc

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def database():
    """These tests ask nothing of the database."""
    return ""


def test_a_host_keeps_what_decides_on_it_and_takes_no_older_one(controller, agent, tmp_path):
    """After a change, and after the change was taken back: each is a newer bundle."""
    cache = PolicyCache(tmp_path / "policy.json")
    cache.rule_pack = rule_pack()
    cache.fetch(agent.channel)
    first = cache.status()
    assert (first["version"], first["trouble"]) == (1, "")
    answer = bundle_pb2_grpc.BundleServiceStub(agent.channel).FetchPolicy(
        bundle_pb2.FetchPolicyRequest(), timeout=10
    )
    origin = Origin(PolicySource.CHANGE)
    setup.write(
        controller.settings,
        lambda c: store.begin(c, Ledger(), content().decode(), origin, clock.now()),
    )
    while cache.status()["version"] == 1:
        cache.fetch(agent.channel)
    bundle, documents = cache.current(datetime.now(UTC))
    assert (bundle.version, documents) == (2, content())
    with pytest.raises(Exception, match="rollback"):
        cache.accept(answer, datetime.now(UTC))


def test_who_is_turned_away_gets_no_policy(controller, agent, tmp_path):
    """What is kept stays, and the status says why there is nothing newer."""
    setup.ban(controller.settings, "host-1", "test")
    with pytest.raises(grpc.RpcError) as refused:
        bundle_pb2_grpc.BundleServiceStub(agent.channel).FetchPolicy(
            bundle_pb2.FetchPolicyRequest(), timeout=10
        )
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    cache = PolicyCache(tmp_path / "policy.json")
    cache.fetch(agent.channel)
    assert cache.status() == {"version": None, "trouble": "not fetched: permission_denied"}


def test_each_host_is_given_what_its_ring_has_reached():
    """The one that rolls in its rings, the active one elsewhere."""
    active, rolling = (Loaded(LivePolicies().current.active.policy, text) for text in (b"a", b"r"))
    deciding = Deciding(active, rolling, frozenset({"lab"}), (Ring("lab", ("lab-*",)),), 5)
    assert deciding.loaded_for("lab-1").documents == b"r"
    assert deciding.loaded_for("x").documents == b"a"


def test_a_bundle_is_signed_once_in_half_of_its_life():
    """And anew when that is over, when the step is another, and when the clock was set back."""
    signer = Signer(Ed25519PrivateKey.generate(), "here")
    loaded = LivePolicies().current.active
    first = signer.envelope(loaded, 3, NOW)
    assert signer.envelope(loaded, 3, NOW + LIFE / 3) == first
    for step, moment in ((3, NOW + LIFE / 2), (4, NOW), (3, NOW - timedelta(days=1))):
        assert signer.envelope(loaded, step, moment) != first


def test_the_rule_pack_that_is_named_is_the_scanners():
    """A host with the same version reports the same."""
    scanner = Scanner(ALL, Registry.of(()), lambda _fingerprint: False)
    assert rule_pack() == scanner.info.rule_pack
