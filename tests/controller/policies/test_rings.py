"""Rings of hosts, and the judgement on a policy in them."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.controller import config
from lockgate.controller.policies.rings import (
    LAST,
    Counts,
    Judgement,
    Ring,
    Tolerance,
    following,
    has_jumped,
    judge,
    require_rings,
    ring_of,
)
from lockgate.wire.settings import SettingsError

RINGS = (Ring("canary", ("lab-*", "db7")), Ring("early", ("*-eu",), bake_minutes=60))
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("host", "ring"),
    [
        ("lab-3", "canary"),
        ("db7", "canary"),
        ("lab-1-eu", "canary"),
        ("x-eu", "early"),
        ("x", LAST),
    ],
)
def test_a_host_belongs_to_the_first_ring_that_names_it(host, ring):
    """By pattern or by name; to the last ring when none does."""
    assert ring_of(host, RINGS) == ring


def test_rings_follow_one_another():
    """In the order of the settings; the last one comes after all."""
    assert following((), RINGS) == "canary"
    assert following(("canary",), RINGS) == "early"
    assert following(("canary", "early"), RINGS) == LAST
    assert following((), ()) == LAST


@pytest.mark.parametrize(
    ("new", "old", "jumped"),
    [
        (Counts(100, 50), Counts(100, 10), True),
        (Counts(100, 30), Counts(100, 10), False),
        (Counts(100, 31), Counts(100, 10), True),
        (Counts(19, 19), Counts(100, 0), False),
        (Counts(20, 20), Counts(1, 0), True),
        (Counts(20, 20), Counts(0, 0), False),
        (Counts(100, 10), Counts(100, 90), False),
    ],
)
def test_a_jump_needs_enough_verdicts_and_a_policy_to_compare_with(new, old, jumped):
    """More than the tolerance, of at least so many; fewer denials never stop a policy."""
    assert has_jumped(new, old, Tolerance(verdicts=20, growth=0.2)) is jumped


@given(st.integers(0, 500), st.integers(0, 500), st.integers(0, 500), st.integers(0, 500))
def test_more_denials_never_make_it_better(verdicts, denials, old_verdicts, old_denials):
    """What has jumped has jumped with one denial more."""
    new = Counts(verdicts, min(verdicts, denials))
    old = Counts(old_verdicts, min(old_verdicts, old_denials))
    worse = Counts(verdicts, min(verdicts, new.denials + 1))
    if has_jumped(new, old, Tolerance()):
        assert has_jumped(worse, old, Tolerance())
        assert new.share > old.share


def test_a_policy_goes_on_after_its_bake_time_and_never_by_itself_without_one():
    """And it stops before it goes on."""
    fine, bad, before = Counts(50, 1), Counts(50, 40), Counts(50, 1)
    assert judge(fine, before, Tolerance(), HOUR, HOUR) is Judgement.GO_ON
    assert judge(fine, before, Tolerance(), HOUR, HOUR / 2) is Judgement.WAIT
    assert judge(fine, before, Tolerance(), None, 100 * HOUR) is Judgement.WAIT
    assert judge(bad, before, Tolerance(), HOUR, HOUR) is Judgement.STOP


@pytest.mark.parametrize(
    ("name", "hosts", "minutes"),
    [("all", ("a",), 0), ("", ("a",), 0), ("A b", ("a",), 0), ("a", (), 0), ("a", ("a",), -1)],
)
def test_a_ring_that_cannot_be_is_refused(name, hosts, minutes):
    """Its name, its hosts and its time."""
    with pytest.raises(ValueError, match="ring"):
        Ring(name, hosts, minutes)


def test_two_rings_of_one_name_are_refused():
    """And more than sixteen."""
    for rings in ([Ring("a", ("x",))] * 2, [Ring(f"a{n}", ("x",)) for n in range(17)]):
        with pytest.raises(ValueError, match="rings"):
            require_rings(rings)


def test_rings_are_read_from_the_settings(tmp_path):
    """In their order; a wrong one is an error that names it."""
    file = tmp_path / "controller.toml"
    ring = '[[rings]]\nname = "{}"\nhosts = ["lab-*"]\n'
    file.write_text(
        f"policy_stop_growth = 0.5\n{ring.format('a')}bake_minutes = 5\n{ring.format('b')}"
    )
    loaded = config.load(file, environment={})
    assert [(one.name, one.bake_minutes) for one in loaded.rings] == [("a", 5), ("b", 0)]
    for wrong in (ring.format("all"), ring.format("a") * 2, "policy_stop_growth = 2.0\n"):
        file.write_text(wrong)
        with pytest.raises(SettingsError):
            config.load(file, environment={})
