"""Versions in the store: what begins, goes on, is taken back, and what decides meanwhile."""

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import create_engine, insert, select

sys.path.insert(0, str(Path(__file__).parent))

from policies import content, text

from lockgate.controller.changes import known
from lockgate.controller.changes.changes import Changes
from lockgate.controller.people import people
from lockgate.controller.people.roles import Role
from lockgate.controller.policies import rollout, store
from lockgate.controller.policies.live import LivePolicies, settle
from lockgate.controller.policies.rings import Judgement, Ring, Tolerance
from lockgate.controller.policies.rollout import Watch, look
from lockgate.controller.policies.store import Origin, PolicySource, PolicyState
from lockgate.controller.refusals import RefusalReason
from lockgate.controller.store.schema import alerts, verdicts
from lockgate.controller.store.tables import metadata
from lockgate.policy import PolicyError, default_policy

RINGS = (Ring("canary", ("lab-*",), bake_minutes=10), Ring("early", ("eu-*",)))
BY_CHANGE = Origin(PolicySource.CHANGE, "0" * 36, ("someone",))


class Installation:
    """A store with a ledger that remembers, and the policies that decide by it."""

    def __init__(self, engine, ledger, now):
        self.engine, self.ledger, self.now = engine, ledger, now
        self.policies = LivePolicies()

    def do(self, work, *given):
        """Call one of the store's functions in a transaction; then follow the store."""
        with self.engine.begin() as connection:
            done = work(connection, self.ledger, *given)
        with self.engine.begin() as connection:
            self.policies.refresh(connection)
        return done

    def start(self, files=(), rings=RINGS):
        """What a controller does when it starts."""
        self.do(settle, files, rings, self.now)

    def begin(self, **words):
        """People have made a change."""
        return self.do(store.begin, content(**words).decode(), BY_CHANGE, self.now)

    def rules(self, *hosts):
        """The first rule of what decides on each host."""
        current = self.policies.current
        return [current.of_host(host).policies[0].rules[0].name for host in hosts]

    def states(self):
        """All states, oldest first."""
        with self.engine.begin() as connection:
            return [version.state.value for version in store.listed(connection, 99)[::-1]]

    def decided(self, policy, host, verdict, count, index):
        """Verdicts in the store, as if a policy had given them."""
        with self.engine.begin() as connection:
            connection.execute(
                insert(verdicts),
                [
                    {
                        "ledger_index": index + number,
                        "transfer_id": str(index + number),
                        "host": host,
                        "zone": "z",
                        "zone_signing": False,
                        "boundary": "open",
                        "identity": "{}",
                        "attempted_at": 0,
                        "decided_at": 0,
                        "size": 1,
                        "outcome": "clean",
                        "report": b"",
                        "verdict": verdict,
                        "rule": "",
                        "message": "",
                        "policy_digest": policy,
                        "canary": False,
                    }
                    for number in range(count)
                ],
            )


@pytest.fixture
def installation(engine, remembering_ledger, samples):
    """An installation with two rings beside the last one."""
    made = Installation(engine, remembering_ledger, samples.now)
    made.start()
    return made


def test_without_anything_the_shipped_policy_decides(installation):
    """It is a version like others, in the ledger; a second start changes nothing."""
    assert installation.policies.current.active.policy.digest == default_policy().digest
    assert installation.ledger.kinds() == ["policy-rings", "policy-version"]
    assert installation.ledger.entries[1]["policy_digest"] == default_policy().digest
    installation.start()
    assert installation.states() == ["active"]
    assert len(installation.ledger.entries) == 2


def test_a_new_policy_decides_in_the_first_ring_only(installation):
    """The other hosts keep the policy before it."""
    installation.begin()
    assert installation.rules("lab-1", "eu-1", "x") == ["everything"] + ["protected-key"] * 2


def test_a_policy_is_promoted_ring_by_ring(installation):
    """The last step makes it the active one and ends the one before."""
    installation.begin()
    installation.do(store.promote, 2, ["anna"], installation.now)
    assert installation.rules("lab-1", "eu-1", "x") == ["everything"] * 2 + ["protected-key"]
    installation.do(store.promote, 2, [], installation.now)
    assert installation.rules("lab-1", "eu-1", "x") == ["everything"] * 3
    assert installation.states() == ["superseded", "active"]
    told = [e for e in installation.ledger.entries if e["kind"] == "policy-promoted"]
    assert [(e["ring"], e["by"]) for e in told] == [("early", ["anna"]), ("all", [])]


def test_a_policy_that_is_taken_back_decides_nowhere(installation):
    """With a ledger entry that names both digests, and an alert; a second time is refused."""
    version = installation.begin()
    installation.do(store.roll_back, 2, "too strict", ["anna"], installation.now)
    assert installation.rules("lab-1", "x") == ["protected-key"] * 2
    entry = installation.ledger.entries[-1]
    assert (entry["kind"], entry["policy_digest"]) == ("policy-rolled-back", version.digest)
    assert entry["to_policy_digest"] == default_policy().digest
    with installation.engine.begin() as connection:
        (told,) = connection.execute(select(alerts.c.event)).scalars()
    assert json.loads(told)["unmapped"]["lockgate"]["event"] == "policy-rolled-back"
    for verb, given in ((store.promote, ([],)), (store.roll_back, ("again", []))):
        refused = installation.do(verb, 2, *given, installation.now)
        assert refused.reason is RefusalReason.CONFLICT
    missing = installation.do(store.promote, 9, [], installation.now)
    assert missing.reason is RefusalReason.NOT_FOUND


def test_without_rings_a_policy_decides_everywhere_at_once(installation):
    """And what people have changed stays over a restart."""
    installation.start(rings=())
    installation.begin()
    assert installation.rules("lab-1", "x") == ["everything"] * 2
    installation.start(rings=())
    assert installation.states() == ["superseded", "active"]


def test_files_of_the_settings_decide_as_long_as_they_are_named(installation, tmp_path):
    """Over what people have changed; after them the shipped policy."""
    file = tmp_path / "p.yaml"
    file.write_text(text(rule="from-file"), "utf-8")
    installation.begin()
    installation.start(files=[file])
    assert installation.rules("lab-1", "x") == ["from-file"] * 2
    installation.start(files=[file])
    assert installation.states() == ["superseded", "superseded", "active"]
    installation.start()
    assert installation.rules("x") == ["protected-key"]


def test_wrong_files_stop_the_start_and_change_nothing(installation, tmp_path):
    """The whole start is one transaction."""
    file = tmp_path / "p.yaml"
    file.write_text(text(verdict="BLOK"), "utf-8")
    with pytest.raises(PolicyError, match=r"p\.yaml:6"):
        installation.start(files=[file], rings=())
    assert installation.rules("x") == ["protected-key"]
    with installation.engine.begin() as connection:
        assert store.read_rings(connection) == RINGS


def test_a_version_that_cannot_be_read_is_not_used(installation, monkeypatch):
    """The fault is raised; what decided before goes on deciding."""
    installation.begin()

    def unreadable(_content):
        raise PolicyError

    monkeypatch.setattr(store, "policy_of", unreadable)
    with installation.engine.begin() as connection:
        before = installation.policies.current
        store.promote(connection, installation.ledger, 2, [], installation.now)
        with pytest.raises(PolicyError):
            installation.policies.refresh(connection)
    assert installation.policies.current is before


class Office:
    """Two people who may change policies."""

    def __init__(self, installation):
        self.installation = installation
        ledger = installation.ledger
        self.changes = Changes(ledger, known.ALL, timedelta(hours=1), second_person=True)
        with installation.engine.begin() as connection:
            roles = frozenset({Role.SECURITY})
            self.anna, self.berta = (
                people.put(connection, ledger, name, roles, installation.now)
                for name in ("anna", "berta")
            )

    def propose(self, proposed):
        """Anna proposes."""
        return self._do("propose", "policy", proposed, "because", self.anna)

    def approve(self, change):
        """Berta approves."""
        return self._do("approve", change.id, change.content_sha256, self.berta)

    def _do(self, what, *given):
        with self.installation.engine.begin() as connection:
            return getattr(self.changes, what)(connection, *given, self.installation.now)


def test_two_people_change_the_policy(installation):
    """The summary and the ledger have its digest; the version knows its change."""
    office = Office(installation)
    change = office.propose(content())
    assert change.summary.startswith("1 policies, 1 rules, 1 bindings; digest ")
    assert installation.states() == ["active"]
    assert office.approve(change).state == "made"
    entry = installation.ledger.entries[-1]
    assert (entry["kind"], entry["change"]) == ("policy-version", change.id)
    assert entry["by"] == [office.anna.id, office.berta.id]
    assert entry["policy_digest"] in change.summary
    assert installation.states() == ["active", "rolling"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (content(verdict="BLOK"), "policy.yaml:6:"),
        (content(expression="report.sizee > 1u"), 'nearest known name is "size"'),
        (b"", "not a list"),
        (b"[]", "not a list"),
        (b'{"name": "a"}', "not a list"),
        (b'[{"name": 1, "text": ""}]', "not a list"),
        (b"[" * 100_000, "not a list"),
        (b" " * 300_000, "larger than"),
    ],
)
def test_a_wrong_policy_is_refused_as_a_whole(installation, wrong, said):
    """With the place of its faults; nothing is written."""
    refused = Office(installation).propose(wrong)
    assert refused.reason is RefusalReason.MALFORMED
    assert said in refused.detail
    assert installation.states() == ["active"]


def test_what_is_right_at_another_time_is_a_conflict(installation, tmp_path):
    """While one rolls, when it is in force already, and while the settings name files."""
    office = Office(installation)
    first, second = office.propose(content()), office.propose(content(verdict="HOLD"))
    office.approve(first)
    assert "promote it or roll it back" in office.approve(second).detail
    for _ in range(2):
        installation.do(store.promote, 2, [], installation.now)
    assert "in force" in office.propose(content()).detail
    file = tmp_path / "p.yaml"
    file.write_text(text(), "utf-8")
    installation.start(files=[file])
    assert "policy_files" in office.propose(content(verdict="HOLD")).detail


def watched(installation, monkeypatch, seconds):
    """A watch that has seen the rolling version for so long, and what it sees now."""
    clock = iter([0.0, 0.0, seconds])
    monkeypatch.setattr(rollout.time, "monotonic", lambda: next(clock))
    watch = Watch(installation.ledger, Tolerance(verdicts=20, growth=0.2))
    with installation.engine.begin() as connection:
        seen = look(connection)
    watch.judge(seen)
    return watch, seen


def test_denials_that_jump_take_a_policy_back(installation, monkeypatch):
    """Counted in its ring, against the policy before it on the same hosts."""
    before = installation.policies.current.active.policy.digest
    installation.decided(before, "lab-1", "ALLOW", 30, 1000)
    installation.ledger.entries += [{"kind": "filler"}] * 2000
    version = installation.begin()
    installation.decided(version.digest, "lab-1", "BLOCK", 25, 3000)
    installation.decided(before, "eu-1", "BLOCK", 50, 4000)
    watch, seen = watched(installation, monkeypatch, 0.0)
    assert (seen.new.verdicts, seen.new.denials) == (25, 25)
    assert (seen.old.verdicts, seen.old.denials) == (30, 0)
    assert watch.judge(seen) is Judgement.STOP
    with installation.engine.begin() as connection:
        assert watch.act(connection, seen, Judgement.STOP)
    assert installation.states() == ["active", "rolled-back"]
    assert "25 of 25 verdicts, 0 of 30" in installation.ledger.entries[-1]["reason"]


def test_a_policy_goes_on_after_its_bake_time(installation, monkeypatch):
    """By what was watched; and not when somebody else has taken the step meanwhile."""
    installation.begin()
    watch, seen = watched(installation, monkeypatch, 601.0)
    assert watch.judge(seen) is Judgement.GO_ON
    installation.do(store.promote, 2, ["anna"], installation.now)
    with installation.engine.begin() as connection:
        assert not watch.act(connection, seen, Judgement.GO_ON)
        assert look(connection).version.rings == ("canary", "early")


def test_nothing_is_watched_while_nothing_rolls(installation):
    """A policy that decides everywhere is not taken back by itself."""
    with installation.engine.begin() as connection:
        assert look(connection) is None


class Versions(RuleBasedStateMachine):
    """Any steps in any order: one version is active, at most one rolls, every host is decided."""

    @initialize()
    def make(self):
        """A fresh store in memory."""
        engine = create_engine("sqlite://")
        metadata.create_all(engine)
        ledger = _Remembering()
        self.installation = Installation(engine, ledger, datetime(2026, 1, 1, tzinfo=UTC))
        self.installation.start()

    @rule(verdict=st.sampled_from(["BLOCK", "HOLD", "ALLOW"]))
    def change(self, verdict):
        """Somebody changes the policy, when that is allowed."""
        with self.installation.engine.begin() as connection:
            refused = known.ALL.get("policy").check(connection, content(verdict=verdict))
        if refused is None:
            self.installation.begin(verdict=verdict)

    @rule(number=st.integers(1, 4))
    def promote(self, number):
        """Somebody promotes any version."""
        self.installation.do(store.promote, number, [], self.installation.now)

    @rule(number=st.integers(1, 4))
    def roll_back(self, number):
        """Somebody takes any version back."""
        self.installation.do(store.roll_back, number, "x", [], self.installation.now)

    @rule()
    def restart(self):
        """The controller starts anew."""
        self.installation.policies = LivePolicies()
        self.installation.start()

    @invariant()
    def one_is_active_and_at_most_one_rolls(self):
        """And what decides is what the store says."""
        states = self.installation.states()
        assert states.count(PolicyState.ACTIVE.value) == 1
        assert states.count(PolicyState.ROLLING.value) <= 1
        with self.installation.engine.begin() as connection:
            active = store.in_state(connection, PolicyState.ACTIVE)
            rolling = store.in_state(connection, PolicyState.ROLLING)
        current = self.installation.policies.current
        assert current.of_host("x").digest == active.digest
        expected = rolling or active
        assert current.of_host("lab-1").digest == expected.digest


class _Remembering:
    def __init__(self):
        self.entries = []

    def append(self, _connection, entry):
        """Remember."""
        self.entries.append(entry)
        return len(self.entries) - 1


Versions.TestCase.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)
TestVersions = Versions.TestCase
