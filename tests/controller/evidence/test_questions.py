"""Questions to a ledger that real writers have filled: searches, and the history of a key."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import delete, insert

from lockgate.controller import entries, records, sequences
from lockgate.controller.clock import rfc3339, to_micros
from lockgate.controller.evidence import search
from lockgate.controller.evidence.answers import TooMuchError, coverage_of
from lockgate.controller.evidence.coverage import DAY, Day
from lockgate.controller.evidence.key import Asked, UnknownKeyError, key_history
from lockgate.controller.evidence.search import Wanted
from lockgate.controller.ledger import Ledger
from lockgate.controller.store.schema import agents
from lockgate.controller.stream.entries import stream_opened
from lockgate.controller.stream.schema import agent_states
from lockgate.policy import decide, default_policy
from lockgate.wire import convert
from lockgate.wire.transfer import Enforcement, GuardChange, Receipt, Zone

KEY = "sha256:" + "ab" * 32
OTHER = "sha256:" + "ef" * 32


class Site:
    """Writes what agents tell, at times of the test's choice."""

    def __init__(self, engine, samples):
        self.engine, self.samples, self.ledger = engine, samples, Ledger()
        self.begin = samples.now

    def time(self, hours):
        """So many hours after the beginning."""
        return self.begin + timedelta(hours=hours)

    def write(self, work):
        """One transaction."""
        with self.engine.begin() as connection:
            return work(connection)

    def enrol(self, host, hours):
        """A host gets its certificate."""
        fields = {"host": host}
        entry = entries.identity("enrolment", self.time(hours), fields)
        self.write(lambda c: self.ledger.append(c, entry))
        self.beats(host, 10_000)

    def beats(self, host, hours):
        """An agent was heard last then; None: it never had a stream."""
        here = agent_states.c.host == host
        self.write(lambda c: c.execute(delete(agent_states).where(here)))
        if hours is not None:
            heard = to_micros(self.time(hours))
            row = {"host": host, "version": "1", "capabilities": "[]", "connected_at": 0}
            self.write(lambda c: c.execute(insert(agent_states).values(heard_at=heard, **row)))

    def guard(self, host, zone, change, hours):
        """An agent tells of its guard."""
        given = {"host": host, "request_id": "r", "detail": "d", "now": self.time(hours)}
        self.write(lambda c: records.record_guard(c, self.ledger, change, Zone(zone), **given))

    def found(self, hours, *fingerprints, **changes):
        """A file with these keys is decided on; its transfer."""
        transfer = self.samples.transfer(**changes)
        findings = [self.samples.finding(fingerprint=one) for one in fingerprints]
        report = self.samples.report(*findings)
        now = self.time(hours)
        decision = decide(report, transfer, default_policy(), now)
        message = convert.report_to_wire(report).SerializeToString()
        decided = records.Decided("r", transfer, report, message, decision, now, timedelta(1))
        self.write(lambda c: records.record_verdict(c, self.ledger, decided))
        return transfer

    def received(self, transfer, enforcement, hours):
        """An agent tells what it did."""
        verdict = decide(
            self.samples.report(), transfer, default_policy(), self.time(hours)
        ).verdict
        receipt = Receipt(
            transfer.transfer_id,
            verdict,
            enforcement,
            None,
            0,
            self.time(hours),
            transfer.path,
            transfer.opener,
        )
        given = {"host": transfer.host, "request_id": "r", "now": self.time(hours)}
        self.write(lambda c: records.record_receipt(c, self.ledger, receipt, **given))

    def ask(self, question, *arguments):
        """Read."""
        with self.engine.connect() as connection:
            return question(connection, *arguments)

    def key(self, key, hours=100, since=None):
        """The history of a key, up to so many hours after the beginning."""
        start = None if since is None else to_micros(self.time(since))
        return self.ask(key_history, Asked(key, start, to_micros(self.time(hours))))


@pytest.fixture
def site(engine, samples):
    """A store of one's own."""
    return Site(engine, samples)


def test_the_history_of_a_key_names_places_files_and_readers(site):
    """And what was stopped is no reader."""
    site.enrol("host-1", 0)
    site.enrol("host-2", 0)
    first = site.found(1, KEY, path="/zone/a")
    second = site.found(2, KEY, OTHER, host="host-2", path="/zone/b")
    site.found(3, OTHER, path="/zone/c")
    site.received(first, Enforcement.DENIED, 1)
    site.received(second, Enforcement.NOT_ENFORCED, 2)
    seen = site.key(KEY)
    assert [(place["host"], place["zone"]) for place in seen["places"]] == [
        ("host-1", "signing"),
        ("host-2", "signing"),
    ]
    assert seen["seen"] == {
        "transfers": 2,
        "first": rfc3339(site.time(1)),
        "last": rfc3339(site.time(2)),
    }
    assert seen["files"]["shown"][0]["paths"] == ["host-1:/zone/a", "host-2:/zone/b"]
    (reader,) = seen["readers"]["shown"]
    assert (reader["host"], reader["path"], seen["readers"]["count"]) == ("host-2", "/zone/b", 1)
    assert reader["opener"]["executable"] == "/bin/cp"
    assert [one["transfer_id"] for one in seen["transfers"]] == [
        second.transfer_id,
        first.transfer_id,
    ]
    assert seen["not_known"]


def holes(answer, host):
    """The times without evidence of one host, in hours after the beginning."""
    return [
        (one["why"], one["from"], one["until"])
        for one in answer["without_evidence"]
        if one["host"] == host
    ]


def test_every_kind_of_hole_in_the_evidence_is_listed(site):
    """Before enrolment and the first word, blind, disarmed, silent; on hosts of the zone too."""
    site.enrol("host-1", 0)
    site.guard("host-1", "signing", GuardChange.ARMED, 0)
    site.guard("host-1", "signing", GuardChange.BLIND, 10)
    site.guard("host-1", "signing", GuardChange.RECOVERED, 12)
    site.guard("host-1", "signing", GuardChange.INTAKE_DRIFT, 13)
    site.found(14, KEY)
    site.enrol("host-2", 20)
    site.guard("host-2", "signing", GuardChange.ARMED, 21)
    silence = {"kind": "silence", "time": rfc3339(site.time(31)), "host": "host-2"}
    ended = {"kind": "silence-ended", "time": rfc3339(site.time(33)), "host": "host-2"}
    silence["heard_at"] = rfc3339(site.time(30))
    site.write(lambda c: site.ledger.append(c, silence))
    site.write(lambda c: site.ledger.append(c, ended))
    site.guard("host-2", "signing", GuardChange.DISARMED, 40)
    site.guard("host-3", "elsewhere", GuardChange.BLIND, 1)
    answer = site.key(KEY, hours=50)

    def hours(*spans):
        return [(w, rfc3339(site.time(a)), rfc3339(site.time(b))) for w, a, b in spans]

    assert holes(answer, "host-1") == hours(("blind", 10, 12))
    assert holes(answer, "host-2") == hours(
        ("not-enrolled", 0, 20), ("not-told", 20, 21), ("silent", 30, 33), ("disarmed", 40, 50)
    )
    assert holes(answer, "host-3") == []


def hours_of(site, *spans):
    """Holes with hours after the beginning instead of times."""
    return [(why, rfc3339(site.time(a)), rfc3339(site.time(b))) for why, a, b in spans]


def test_a_key_that_was_never_found_is_not_said_to_be_nowhere(site):
    """Every host's times without evidence stand beside the nothing that was found."""
    site.enrol("host-1", 0)
    site.guard("host-1", "signing", GuardChange.ARMED, 1)
    site.enrol("host-2", 0)
    site.write(lambda c: c.execute(insert(agents).values(host="host-2", enrolled_at=1)))
    answer = site.key("sha256:" + "00" * 32, 10)
    assert answer["seen"]["transfers"] == 0
    assert answer["hosts"] == {"count": 2, "shown": 2}
    assert holes(answer, "host-1") == hours_of(site, ("not-told", 0, 1))
    assert holes(answer, "host-2") == hours_of(site, ("not-told", 0, 10))


def test_an_agent_that_nobody_heard_is_silent_though_nobody_noted_it(site):
    """Its last heartbeat, or last message where it has no stream, ends what is known."""
    site.enrol("host-1", 0)
    site.guard("host-1", "signing", GuardChange.ARMED, 0)
    site.found(4, KEY)
    site.beats("host-1", 6)
    assert holes(site.key(KEY, 10), "host-1") == hours_of(site, ("silent", 6, 10))
    site.beats("host-1", None)
    assert holes(site.key(KEY, 10), "host-1") == hours_of(site, ("silent", 4, 10))


def test_the_time_in_which_the_controller_was_down_is_a_hole(site):
    """From the last heartbeat to the stream that was opened when it came back."""
    site.enrol("host-1", 0)
    site.guard("host-1", "signing", GuardChange.ARMED, 0)
    site.found(1, KEY)
    opened = stream_opened("host-1", "1", [], to_micros(site.time(3)), site.time(5))
    site.write(lambda c: site.ledger.append(c, opened))
    assert holes(site.key(KEY, 10), "host-1") == hours_of(site, ("silent", 3, 5))


def test_what_an_agent_told_ends_with_its_eviction(site):
    """A new enrolment is another agent; and that a ban is lifted is no word of the agent's."""
    site.enrol("host-1", 0)
    site.guard("host-1", "signing", GuardChange.ARMED, 0)
    site.found(1, KEY)

    def note(kind, hours):
        fields = {"host": "host-1", "reason": "r", "by": "b"}
        site.write(
            lambda c: site.ledger.append(c, entries.identity(kind, site.time(hours), fields))
        )

    note("evict", 2)
    site.enrol("host-1", 4)
    site.guard("host-1", "signing", GuardChange.ARMED, 5)
    note("ban", 6)
    note("unban", 7)
    opened = stream_opened("host-1", "1", [], to_micros(site.time(6)), site.time(9))
    site.write(lambda c: site.ledger.append(c, opened))
    assert holes(site.key(KEY, 10), "host-1") == hours_of(
        site, ("silent", 2, 4), ("enrolled-anew", 4, 5), ("silent", 6, 9)
    )


def test_expired_evidence_is_said(site):
    """What is no longer kept is not passed off as what never was."""
    site.found(1, KEY)
    expired = {"kind": "expired", "time": rfc3339(site.time(2)), "ranges": [[0, 0]]}
    site.write(lambda c: site.ledger.append(c, expired))
    assert [said for said in site.key(KEY, 10)["not_known"] if rfc3339(site.time(2)) in said]


def test_lost_messages_are_a_hole_until_they_come(site):
    """From the last message before the gap to the one that showed it."""
    site.enrol("host-1", 0)
    site.guard("host-1", "signing", GuardChange.ARMED, 1)
    site.found(2, KEY)

    def observe(sequence, hours):
        now = site.time(hours)
        site.write(
            lambda c: sequences.observe(
                c,
                lambda e: site.ledger.append(c, e),
                "host-1",
                sequence,
                to_micros(now),
                rfc3339(now),
            )
        )

    site.write(
        lambda c: c.exec_driver_sql(
            "INSERT INTO agents (host, enrolled_at, last_sequence) VALUES ('host-1', 1, 2)"
        )
    )
    observe(5, 6)
    assert holes(site.key(KEY, 10), "host-1")[-1] == (
        "messages-lost",
        rfc3339(site.time(2)),
        rfc3339(site.time(6)),
    )
    observe(3, 7)
    observe(4, 8)
    assert [why for why, _, _ in holes(site.key(KEY, 10), "host-1")] == ["not-told"]


def test_a_key_is_asked_for_by_its_registered_name(site):
    """And a name that nobody gave is no key."""
    site.found(1, KEY)
    site.write(lambda c: c.exec_driver_sql("UPDATE incidents SET protected_name = 'root-ca'"))
    assert site.key("root-ca")["keys"][0]["fingerprint"] == KEY
    with pytest.raises(UnknownKeyError):
        site.key("nobody")


def test_a_path_that_was_erased_is_not_shown_and_that_is_said(site):
    """The rest of the history stands."""
    site.found(1, KEY)
    erased = "UPDATE verdicts SET path = NULL, opener = NULL, personal_salt = NULL"
    site.write(lambda c: c.exec_driver_sql(erased))
    answer = site.key(KEY)
    assert answer["transfers"][0]["erased"] is True
    assert answer["files"]["shown"] == [
        {"sha256": "cd" * 32, "size": 4096, "paths": [], "erased_paths": True}
    ]


def test_a_search_finds_by_each_condition_and_by_all_together(site):
    """What is found is what says so, the newest first."""
    transfer = site.found(1, KEY)
    site.received(transfer, Enforcement.DENIED, 2)
    site.found(3, OTHER, host="host-2", zone=Zone("other"))
    site.guard("host-2", "other", GuardChange.ARMED, 4)
    view = entries.view("SearchLedger", "person-1", {}, site.time(5))
    site.write(lambda c: site.ledger.append(c, view))

    def found(**wanted):
        return [one.index for one in site.ask(search.search, Wanted(**wanted), 100).entries]

    assert found() == [4, 3, 2, 1, 0]
    assert found(host="host-2") == [3, 2]
    assert found(zone="signing") == [0]
    assert found(kind="verdict") == [2, 0]
    assert found(transfer=transfer.transfer_id) == [1, 0]
    assert found(fingerprint=KEY) == [1, 0]
    assert found(sha256="cd" * 32) == [2, 1, 0]
    assert found(person="person-1") == [4]
    assert found(since=to_micros(site.time(2)), until=to_micros(site.time(4))) == [2, 1]
    assert found(host="host-2", kind="guard", before=4) == [3]
    assert found(host="host-2", kind="guard", before=3) == []


def test_pages_follow_each_other_without_gap_or_repetition(site):
    """Each says where the next one begins; the last one does not."""
    for hours in range(7):
        site.found(hours, KEY)
    pages, before = [], None
    while True:
        page = site.ask(search.search, Wanted(fingerprint=KEY, before=before), 3)
        pages.append([one.index for one in page.entries])
        before = page.older
        if before is None:
            break
    assert pages == [[6, 5, 4], [3, 2, 1], [0]]


@pytest.mark.parametrize("database", [""])
def test_searches_use_an_index(site):
    """No condition makes the store (SQLite) walk through all entries."""
    site.found(1, KEY)
    plans = []
    with site.engine.connect() as connection:
        for wanted in (
            Wanted(host="h"),
            Wanted(zone="z"),
            Wanted(kind="k"),
            Wanted(transfer="t"),
            Wanted(person="p"),
            Wanted(fingerprint=KEY),
            Wanted(sha256="s"),
        ):
            query = search._query(wanted).limit(3)
            text = str(query.compile(site.engine, compile_kwargs={"literal_binds": True}))
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}").all()
            plans += [row[3] for row in rows]
    assert not [plan for plan in plans if plan.startswith("SCAN") and "ledger_entries" in plan]


def test_coverage_names_every_host_of_the_inventory_on_every_day(site):
    """Also hosts that nobody has heard of; and too long a list is refused."""
    site.begin = datetime.fromisoformat("2026-11-20T00:00:00+00:00")
    site.enrol("host-1", 0)
    site.guard("host-1", "signing", GuardChange.ARMED, 0)
    site.guard("host-1", "signing", GuardChange.DISARMED, 30)
    start = to_micros(site.begin)
    days = site.ask(coverage_of, ["host-1", "host-9"], start, start + 3 * DAY)
    assert [(day.host, day.date[-2:], day.day) for day in days] == [
        ("host-1", "20", Day.ENFORCING),
        ("host-1", "21", Day.PARTLY),
        ("host-1", "22", Day.BLIND),
        ("host-9", "20", Day.UNKNOWN),
        ("host-9", "21", Day.UNKNOWN),
        ("host-9", "22", Day.UNKNOWN),
    ]
    with pytest.raises(TooMuchError):
        site.ask(coverage_of, ["h"] * 1000, start, start + 1000 * DAY)
