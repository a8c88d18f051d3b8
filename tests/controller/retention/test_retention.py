"""Retention: what expires when, what holds it, and that the ledger stays provable and says so."""

import asyncio
import json
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, insert, select, update

from lockgate.controller import records
from lockgate.controller.changes import known
from lockgate.controller.changes.changes import Changes
from lockgate.controller.changes.kinds import Approval
from lockgate.controller.changes.schema import changes
from lockgate.controller.config import ControllerSettings
from lockgate.controller.ledger import Ledger, publishing, stored, verify
from lockgate.controller.people.roles import Person, Role
from lockgate.controller.people.schema import people
from lockgate.controller.refusals import RefusalReason
from lockgate.controller.registry import change as registry_change
from lockgate.controller.registry.schema import registry_keys
from lockgate.controller.retention import expiry, holds, trust
from lockgate.controller.retention.beside import Expiry
from lockgate.controller.retention.changes import (
    ErasureChange,
    LegalHoldChange,
    RetentionChange,
    write,
)
from lockgate.controller.retention.holds import Subject
from lockgate.controller.retention.settings import Kept, RetentionSettings, kept_as, periods
from lockgate.controller.store.database import open_reader
from lockgate.controller.store.schema import alerts, findings, incidents, receipts, verdicts
from lockgate.policy import decide, default_policy
from lockgate.scan.protected import KeyRecord, ProtectedKey
from lockgate.scan.report import FindingClass, Outcome
from lockgate.wire import convert
from lockgate.wire.transfer import Enforcement, Receipt

KEY = "sha256:" + "ab" * 32
OTHER = "sha256:" + "ef" * 32
SIGNING = Ed25519PrivateKey.generate()
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
YEAR = timedelta(days=366)


class SameThread:
    """The store's writer, without its thread."""

    def __init__(self, engine):
        self.engine = engine

    def submit(self, work):
        """One transaction."""
        future = Future()
        with self.engine.begin() as connection:
            future.set_result(work(connection))
        return future


@dataclass
class Parts:
    """What expiry needs of a controller."""

    settings: ControllerSettings
    writer: SameThread
    reader: Any
    ledger: Ledger


class Site:
    """A store with its published ledger, and a clock of the test's own."""

    def __init__(self, engine, place, folder, samples):
        settings = ControllerSettings(state_dir=folder)
        self.parts = Parts(settings, SameThread(engine), open_reader(place), Ledger())
        self.folder, self.samples, self.now = folder / "ledger", samples, BEGIN
        self.expiry = Expiry(self.parts, lambda: self.now)

    def write(self, work):
        """One transaction."""
        return self.parts.writer.submit(work).result()

    def decided(self, *findings, clean=False, **changes):
        """A transfer with its receipt, decided now."""
        transfer = self.samples.transfer(**changes)
        report = self.samples.report(*findings)
        decision = decide(report, transfer, default_policy(), self.now)
        message = convert.report_to_wire(report).SerializeToString()
        due = timedelta(minutes=1)
        told = records.Decided("r", transfer, report, message, decision, self.now, due)
        self.write(lambda c: records.record_verdict(c, self.parts.ledger, told))
        done = Receipt(
            transfer.transfer_id,
            decision.verdict,
            Enforcement.DENIED,
            decision.hold_reason,
            1,
            self.now,
            transfer.path,
            transfer.opener,
        )
        given = {"host": transfer.host, "request_id": "r", "now": self.now}
        self.write(lambda c: records.record_receipt(c, self.parts.ledger, done, **given))
        return transfer.transfer_id

    def sign(self):
        """Sign and publish the ledger."""
        note = self.write(lambda c: self.parts.ledger.checkpoint(c, SIGNING, "test/ledger"))
        with self.parts.reader.connect() as connection:
            publishing.publish(connection, note, self.folder)

    def turn(self, **later):
        """Let time pass a day at a time, as a controller that runs sees it; then one turn."""
        end = self.now + timedelta(**later)
        while self.now < end:
            self.now = min(self.now + timedelta(hours=23), end)
            self.write(lambda c: trust.believe(c, self.now))
        asyncio.run(self.expiry.turn())

    def left(self):
        """The transfers that are still there."""
        return set(self.write(lambda c: c.execute(select(verdicts.c.transfer_id)).scalars().all()))

    def count(self, table):
        """How many rows."""
        return self.write(lambda c: c.execute(select(func.count()).select_from(table)).scalar())

    def outcomes(self):
        """What the verifier says of the store and of the folder."""
        with self.parts.reader.connect() as connection:
            store = stored.verify_store(connection, SIGNING.public_key(), (), self.folder)
        return store, verify.verify_path(self.folder, SIGNING.public_key())


@pytest.fixture
def site(engine, place, tmp_path, samples):
    """See the class."""
    made = Site(engine, place, tmp_path, samples)
    made.write(lambda c: trust.believe(c, BEGIN))
    return made


DAYS = periods(RetentionSettings(), {}, second_person=True)


def test_the_periods_are_those_of_the_design():
    """Seven years for keys, one for generators, three for the rest."""
    assert {kept.value: round(days / 365.25) for kept, days in DAYS.items()} == {
        "protected": 7,
        "private": 7,
        "credential": 7,
        "session": 3,
        "rng": 1,
        "test": 3,
        "encrypted": 3,
        "gap": 3,
        "clean": 3,
    }


@given(st.sets(st.sampled_from(FindingClass)), st.sampled_from(Outcome), st.data())
def test_the_class_that_is_kept_longest_rules(classes, outcome, data):
    """Whatever the periods are."""
    days = {kept: data.draw(st.integers(1, 9)) for kept in Kept}
    kept = kept_as(classes, outcome, days)
    here = {Kept(one.value) for one in classes}
    here |= {Kept.GAP} if outcome is Outcome.INCOMPLETE else set()
    assert kept in (here or {Kept.CLEAN})
    assert all(days[kept] >= days[one] for one in here)


def test_a_file_of_settings_alone_only_lengthens():
    """A shorter period needs a second person, where the installation asks for one."""
    settings = RetentionSettings(clean=1, rng=9999)
    assert periods(settings, {}, second_person=True)[Kept.CLEAN] == DAYS[Kept.CLEAN]
    assert periods(settings, {}, second_person=True)[Kept.RNG] == 9999
    assert periods(settings, {}, second_person=False)[Kept.CLEAN] == 1
    assert periods(settings, {"clean": 5}, second_person=True)[Kept.CLEAN] == 5
    with pytest.raises(ValueError, match=r"retention\.clean"):
        RetentionSettings(clean=0)


def test_what_is_due_expires_and_every_proof_stands(site):
    """Rows and alerts go at once, bytes when that is signed for; the verifier calls it expired."""
    rng = site.samples.finding(class_=FindingClass.RNG, fingerprint=OTHER)
    young = site.decided(rng, site.samples.finding(fingerprint=KEY))
    old = site.decided(rng)
    site.sign()
    site.turn(days=365)
    assert site.left() == {young, old}
    site.turn(days=2)
    assert site.left() == {young}
    assert (site.count(receipts), site.count(findings)) == (1, 2)
    told = site.write(lambda c: c.execute(select(alerts.c.ledger_index)).scalars().all())
    assert all(index < 2 for index in told)
    for outcome in site.outcomes():
        assert (outcome.problems, outcome.expired) == ((), 0)
    site.sign()
    site.turn(days=0)
    for outcome in site.outcomes():
        assert (outcome.problems, outcome.expired, outcome.size) == ((), 2, 5)
    with site.parts.reader.connect() as connection:
        proof = stored.prove(connection, 2, SIGNING.public_key())
    assert (proof["entry"], proof["verified"]) == ("", True)
    (file := site.folder / "proof").write_text(json.dumps(proof, separators=(",", ":")))
    assert verify.verify_path(file, SIGNING.public_key()).problems == ()
    raw = b"".join(f.read_bytes() for f in site.folder.rglob("*") if f.is_file())
    assert old.encode() not in raw
    assert young.encode() in raw


def test_a_hole_that_nobody_signed_for_is_not_expired(site):
    """Bytes that are gone without an entry that says so are tampering, in store and tiles."""
    site.decided()
    site.sign()
    site.write(lambda c: expiry.drop(c, [(0, 0)]))
    with site.parts.reader.connect() as connection:
        publishing.drop(connection, site.folder, [(0, 0)])
    for outcome in site.outcomes():
        assert "no signed entry says that it has expired" in outcome.problems[0]


@pytest.mark.parametrize(
    ("subject", "value"),
    [("host", "host-1"), ("zone", "signing"), ("fingerprint", KEY), ("transfer", None)],
)
def test_a_legal_hold_stops_expiry_until_it_is_released(site, subject, value):
    """Whatever it is on; others expire."""
    held = site.decided(site.samples.finding(class_=FindingClass.RNG, fingerprint=KEY))
    value = value or held
    micros = 1
    site.write(lambda c: holds.place(c, Subject(subject), value, "change", micros))
    site.turn(days=400)
    assert site.left() == {held}
    site.write(lambda c: holds.release(c, Subject(subject), value, "change", micros))
    site.turn(days=0)
    assert site.left() == set()


def test_a_clock_that_ran_ahead_lets_nothing_expire_without_a_word(site):
    """One alert and one entry, however often; then an operator says that it is right."""
    site.decided()
    before = site.count(alerts)
    site.now = BEGIN + 20 * YEAR
    for _ in range(3):
        asyncio.run(site.expiry.turn())
    assert len(site.left()) == 1
    assert site.count(alerts) == before + 1
    site.write(lambda c: trust.accept(c, site.parts.ledger, "I looked", site.now))
    asyncio.run(site.expiry.turn())
    assert site.left() == set()


def test_a_clock_that_went_back_lets_nothing_expire_early(site):
    """And what was decided in the future holds up nothing else."""
    site.now = BEGIN + 2 * YEAR
    future = site.decided(site.samples.finding(class_=FindingClass.RNG))
    site.now = BEGIN
    site.decided(site.samples.finding(class_=FindingClass.RNG))
    site.turn(days=367)
    assert site.left() == {future}


def test_ranges_are_the_indexes_and_nothing_else():
    """Neighbours share one."""
    assert expiry.ranges_of([5, 1, 2, 2, 7, 6]) == [(1, 2), (5, 7)]
    assert expiry.ranges_of([]) == []


APPROVAL = Approval("change-1", "person-1", "person-2")


def make(site, kind, **said):
    """Check a change and make it; the refusal, if there is one."""
    content = write(said)
    refusal = site.write(lambda c: kind.check(c, content))
    if refusal is None:
        assert kind.summary(content)
        site.write(lambda c: kind.apply(c, site.parts.ledger, content, APPROVAL, site.now))
    return refusal


def test_an_erased_transfer_names_nobody_and_its_entry_stands(site):
    """Path, opener and salt are gone from rows and alerts; the commitment is what it was."""
    transfer = site.decided(site.samples.finding(fingerprint=KEY), path="/home/jane/core")
    site.sign()
    assert make(site, ErasureChange(), transfer=transfer) is None
    with site.parts.reader.connect() as connection:
        for table in (verdicts, receipts):
            (row,) = connection.execute(select(table)).all()
            assert (row.path, row.opener, row.personal_salt) == (None, None, None)
        events = "".join(connection.execute(select(alerts.c.event)).scalars())
    assert "jane" not in events
    assert "/bin/cp" not in events
    assert KEY in events
    site.sign()
    for outcome in site.outcomes():
        assert (outcome.problems, outcome.expired) == ((), 0)
    assert make(site, ErasureChange(), transfer="none").reason is RefusalReason.NOT_FOUND


def test_an_erased_person_is_an_id(site):
    """The name and the way to log in are gone."""
    values = {"id": "p1", "name": "jane", "roles": "viewer", "password_hash": "x", "added_at": 1}
    site.write(lambda c: c.execute(insert(people).values(values)))
    assert make(site, ErasureChange(), person="p1") is None
    row = site.write(lambda c: c.execute(select(people)).one())
    assert (row.id, row.name, row.password_hash) == ("p1", None, None)


def test_of_an_erased_key_nobody_is_named_and_it_stays_protected(site):
    """Owner and reasons are gone from registry, incident, rulings and the changes behind them."""
    record = KeyRecord(owner="Jane Doe", zones=("signing",), on_leak="call Jane Doe")
    key = ProtectedKey("signer", KEY, "RSA", 2048, record=record)
    other = replace(key, fingerprint=OTHER, record=KeyRecord(owner="identity-team"))
    content = registry_change.write([key, other])
    office = Changes(site.parts.ledger, known.ALL, timedelta(hours=1), second_person=True)

    def registered(connection):
        for each in ("anna", "berta"):
            row = {"id": each, "name": each, "roles": "security", "added_at": 1}
            connection.execute(insert(people).values(row))
        anna, berta = (Person(name, name, frozenset(Role)) for name in ("anna", "berta"))
        given = ("protected-key", content, "Jane Doe asked", anna, site.now)
        made = office.propose(connection, *given)
        return office.approve(connection, made.id, made.content_sha256, berta, site.now)

    assert site.write(registered).state == "made"
    site.decided(site.samples.finding(fingerprint=KEY))
    site.write(lambda c: c.execute(update(incidents).values(reason="as Jane Doe said")))
    assert make(site, ErasureChange(), key=KEY) is None
    with site.parts.reader.connect() as connection:
        rows = connection.execute(select(registry_keys)).all()
        rows += connection.execute(select(incidents)).all()
        (change,) = connection.execute(select(changes)).all()
    assert "Jane" not in repr([*rows, change])
    left = registry_change.read(change.content).put
    assert [(one.record.owner, one.record.zones) for one in left] == [
        ("", ("signing",)),
        ("identity-team", ()),
    ]
    assert {row.removed_at for row in rows[:2]} == {None}
    hold = {"subject": "fingerprint", "value": KEY}
    assert make(site, LegalHoldChange(), **hold, release=False) is None
    assert make(site, ErasureChange(), key=KEY).reason is RefusalReason.CONFLICT
    assert make(site, ErasureChange(), key="none").reason is RefusalReason.NOT_FOUND


def test_what_a_hold_touches_is_not_erased(site):
    """Until the hold is released."""
    transfer = site.decided()
    hold = {"subject": "host", "value": "host-1"}
    assert make(site, LegalHoldChange(), **hold, release=False) is None
    assert make(site, LegalHoldChange(), **hold, release=False).reason is RefusalReason.CONFLICT
    assert make(site, ErasureChange(), transfer=transfer).reason is RefusalReason.CONFLICT
    assert make(site, LegalHoldChange(), **hold, release=True) is None
    assert make(site, LegalHoldChange(), **hold, release=True).reason is RefusalReason.CONFLICT
    assert make(site, ErasureChange(), transfer=transfer) is None


def test_an_approved_period_rules_and_expiry_looks_again(site):
    """Shorter and longer."""
    site.decided()
    site.turn(days=30)
    assert len(site.left()) == 1
    assert make(site, RetentionChange(), **{"class": "clean", "days": 10}) is None
    site.turn(days=0)
    assert site.left() == set()


@pytest.mark.parametrize("kind", [RetentionChange(), LegalHoldChange(), ErasureChange()])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b'{"class":"clean","days":0}',
        b'{"class":"x","days":5}',
        b'{"class":"clean","days":true}',
        b'{"subject":"host","value":"","release":false}',
        b'{"subject":"x","value":"a","release":false}',
        b'{"transfer":"a","person":"b"}',
        b"[" * 5000,
    ],
)
def test_a_content_that_is_none_is_refused(site, kind, content):
    """With a word, whatever it is."""
    assert site.write(lambda c: kind.check(c, content)).reason is RefusalReason.MALFORMED
