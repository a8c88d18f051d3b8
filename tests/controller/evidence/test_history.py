"""What is known of a zone at each moment, and of a host on each day."""

from hypothesis import given
from hypothesis import strategies as st

from lockgate.controller.evidence import coverage
from lockgate.controller.evidence.coverage import DAY, Day
from lockgate.controller.evidence.history import Cover, Facts, Told, covers, without_evidence

TOLD = (Cover.ENFORCING, Cover.DEGRADED, Cover.BLIND, Cover.DISARMED)
WORDS = st.lists(
    st.builds(Told, st.integers(0, 60), st.sampled_from(TOLD)), max_size=6, unique_by=lambda t: t.at
)
PARTS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=3).map(tuple)


def at(facts, moment):
    """What the rules say of one moment, moment by moment."""
    before = [told for told in facts.told if told.at <= moment]
    said = max(before, key=lambda told: told.at).cover if before else Cover.NOT_TOLD
    if facts.enrolled_at is None or moment < facts.enrolled_at:
        return Cover.NOT_ENROLLED
    if said in {Cover.NOT_TOLD, Cover.BLIND, Cover.DISARMED}:
        return said
    if any(start <= moment < end for start, end in facts.silent):
        return Cover.SILENT
    if any(start <= moment < end for start, end in facts.lost):
        return Cover.MESSAGES_LOST
    return said


@given(st.one_of(st.none(), st.integers(0, 60)), WORDS, PARTS, PARTS)
def test_every_moment_has_exactly_the_state_that_the_rules_give_it(enrolled, told, silent, lost):
    """Whenever agents tell, fall silent and lose messages."""
    told = sorted(told, key=lambda one: one.at)
    facts = Facts("h", "z", enrolled, tuple(told), silent, lost)
    found = covers(facts, 5, 55)
    seen = [(m, c) for c, parts in found.items() for start, end in parts for m in range(start, end)]
    assert sorted(seen) == [(moment, at(facts, moment)) for moment in range(5, 55)]
    holes = [m for start, end, _ in without_evidence(facts, 5, 55) for m in range(start, end)]
    assert holes == [m for m in range(5, 55) if at(facts, m) is not Cover.ENFORCING]


@given(WORDS)
def test_a_clock_that_is_set_makes_no_evidence(told):
    """In whatever order times stand in the ledger: one state a moment, and the order rules."""
    facts = Facts("h", "z", 0, tuple(told))
    found = covers(facts, 0, 61)
    assert sorted(m for parts in found.values() for s, e in parts for m in range(s, e)) == [
        *range(61)
    ]
    for start, end in found.get(Cover.ENFORCING, ()):
        for moment in range(start, end):
            before = [one for one in told if one.at <= moment]
            assert before
            assert before == told[: len(before)]
            assert before[-1].cover is Cover.ENFORCING


def test_a_blind_time_is_as_long_as_it_may_have_been():
    """The clock was an hour ahead when the zone went blind, and right when it recovered."""
    told = (Told(0, Cover.ENFORCING), Told(40, Cover.BLIND), Told(20, Cover.ENFORCING))
    found = covers(Facts("h", "z", 0, told), 0, 60)
    assert found == {Cover.ENFORCING: ((0, 20), (40, 60)), Cover.BLIND: ((20, 40),)}


HOUR = DAY // 24


def told(*words):
    """Facts of a zone of a host that was enrolled at the beginning."""
    return Facts("h", "z", 0, tuple(Told(hour * HOUR, cover) for hour, cover in words))


def days_of(zones, hours):
    """Word and hours of each day."""
    made = coverage.days("h", zones, 0, hours * HOUR)
    return [(d.day, d.enforcing_hours, d.not_enforcing_hours, d.unknown_hours) for d in made]


def test_a_day_says_how_long_all_zones_were_enforcing():
    """All day, some hours, not at all, and nothing known."""
    zone = told((0, Cover.ENFORCING), (30, Cover.BLIND), (72, Cover.ENFORCING))
    assert days_of([zone], 96) == [
        (Day.ENFORCING, 24, 0, 0),
        (Day.PARTLY, 6, 18, 0),
        (Day.BLIND, 0, 24, 0),
        (Day.ENFORCING, 24, 0, 0),
    ]
    assert days_of([], 24) == [(Day.UNKNOWN, 0, 0, 24)]


def test_a_host_is_as_good_as_its_worst_zone_from_its_first_word_on():
    """A zone that came later takes nothing from the days before it."""
    first, later = told((0, Cover.ENFORCING)), told((24, Cover.DEGRADED), (36, Cover.ENFORCING))
    assert days_of([first, later], 48) == [(Day.ENFORCING, 24, 0, 0), (Day.PARTLY, 12, 12, 0)]


def test_a_day_that_is_not_over_counts_as_far_as_it_went():
    """Enforcing until now is enforcing all day."""
    assert days_of([told((0, Cover.ENFORCING))], 30)[1] == (Day.ENFORCING, 6, 0, 0)


def test_a_second_less_is_not_all_day():
    """Nothing is rounded up."""
    zone = Facts("h", "z", 0, (Told(0, Cover.ENFORCING), Told(DAY - 1_000_000, Cover.BLIND)))
    assert days_of([zone], 24)[0][:2] == (Day.PARTLY, 23.99)


def test_an_inventory_has_one_host_a_line():
    """Comments, blanks and repetitions count for nothing."""
    assert coverage.inventory("a # mine\n\n#b\n  c\na\n") == ("a", "c")
