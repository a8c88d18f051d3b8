"""Lists of revoked passports: signed, numbered, short-lived; and the command that uses them."""

import hashlib
import json
import os
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from lockgate.scan.report import EngineInfo, Report
from lockgate.wire import dsse, passport, revocations
from lockgate.wire.passport_cli import app
from lockgate.wire.revocations import RevocationList, Rule
from lockgate.wire.transfer import Boundary, Decision, FileIdentity, Transfer, Verdict, Zone

KEY = Ed25519PrivateKey.generate()
NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
LAX = ("--without-revocations",)
TRANSFER = "01890a5d-ac96-774b-bcce-b302099a8057"
SEEN = passport.Passport(
    "a" * 64, TRANSFER, "host1", "prod", "", "open", "", NOW, NOW + timedelta(days=7), {}
)


def listed(*rules, sequence=3, now=NOW):
    """A list that lives for a day."""
    return RevocationList(sequence, now, now + timedelta(days=1), rules)


ENVELOPE = revocations.sign(
    listed(Rule("lost", transfer_id=TRANSFER), Rule("blind", "", "h", "z", NOW, NOW + HOUR)), KEY
)


def test_a_list_is_read_as_it_was_signed():
    """Sequence, times and rules."""
    made = revocations.read(ENVELOPE, KEY.public_key(), NOW, at_least=3)
    assert revocations.sign(made, KEY) == ENVELOPE


@pytest.mark.parametrize(
    ("rule", "revoked"),
    [
        (Rule("r", transfer_id=TRANSFER), True),
        (Rule("r", transfer_id=TRANSFER[:-1] + "0"), False),
        (Rule("r", host="host1"), True),
        (Rule("r", host="host2"), False),
        (Rule("r", host="host1", zone="prod"), True),
        (Rule("r", host="host1", zone="other"), False),
        (Rule("r", host="host1", since=NOW, until=NOW), True),
        (Rule("r", host="host1", since=NOW + timedelta(microseconds=1)), True),
        (Rule("r", host="host1", since=NOW + timedelta(seconds=1)), False),
        (Rule("r", host="host1", until=NOW - timedelta(seconds=1)), False),
    ],
)
def test_a_rule_means_one_transfer_or_a_host_for_a_time(rule, revoked):
    """Passports know whole seconds; within one, the rule wins."""
    if revoked:
        with pytest.raises(passport.PassportError, match="revoked"):
            listed(rule).check(SEEN)
    else:
        listed(rule).check(SEEN)


@pytest.mark.parametrize(
    ("key", "now", "at_least", "text"),
    [
        (Ed25519PrivateKey.generate(), NOW, 0, "signed by this key"),
        (KEY, NOW + timedelta(days=1), 0, "expired"),
        (KEY, NOW, 4, "older"),
    ],
)
def test_a_list_of_another_key_or_an_old_one_is_refused(key, now, at_least, text):
    """Whoever withholds the newest list cannot show an older one for ever."""
    with pytest.raises(revocations.RevocationError, match=text):
        revocations.read(ENVELOPE, key.public_key(), now, at_least)


def test_a_passport_is_no_list_and_a_list_is_no_passport():
    """The same key signs both; the type is part of what is signed."""
    swapped = json.loads(ENVELOPE) | {"payloadType": passport.PAYLOAD_TYPE}
    for envelope in (ENVELOPE, json.dumps(swapped).encode()):
        with pytest.raises(passport.PassportError):
            passport.verify(envelope, KEY.public_key(), "a" * 64, NOW)
    with pytest.raises(revocations.RevocationError):
        revocations.read(dsse.sign(passport.PAYLOAD_TYPE, {}, KEY), KEY.public_key(), NOW)


def test_an_envelope_costs_few_signature_checks():
    """However many signatures it holds, and though one of them is right."""
    outer = json.loads(dsse.sign(passport.PAYLOAD_TYPE, {}, KEY))
    (right,) = outer["signatures"]
    wrong = right | {"sig": "AAAA"}
    for count, fits in ((dsse.MOST_SIGNATURES - 1, True), (dsse.MOST_SIGNATURES, False)):
        envelope = json.dumps(outer | {"signatures": [*[wrong] * count, right]}).encode()
        if fits:
            dsse.opened(passport.PAYLOAD_TYPE, envelope, KEY.public_key())
            continue
        with pytest.raises(dsse.EnvelopeError):
            dsse.opened(passport.PAYLOAD_TYPE, envelope, KEY.public_key())


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.floats(), st.text(max_size=8), st.integers()),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "sequence",
                    "issued",
                    "expires",
                    "revoked",
                    "host",
                    "_type",
                    "subject",
                    "predicate",
                    "payload",
                    "signatures",
                    "sig",
                    "payloadType",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_whatever_is_signed_or_sent_ends_in_one_kind_of_error(value):
    """Envelopes of any shape, and payloads of any shape in good envelopes."""
    raw = json.dumps(value).encode()
    for envelope in (raw, dsse.sign(passport.PAYLOAD_TYPE, value, KEY)):
        with pytest.raises(passport.PassportError):
            passport.verify(envelope, KEY.public_key(), "a" * 64, NOW)
    for envelope in (raw, dsse.sign(revocations.PAYLOAD_TYPE, value, KEY)):
        with pytest.raises(revocations.RevocationError):
            revocations.read(envelope, KEY.public_key(), NOW)


class Received:
    """A file that has arrived, with what came beside it."""

    def __init__(self, folder):
        self.folder, self.file, self.key = folder, folder / "core", folder / "passport.pub"
        self.now = datetime.now(UTC)
        self.file.write_bytes(b"clean")
        public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        self.key.write_bytes(public)
        self.give(self.now)

    def give(self, issued):
        """Write the passport."""
        engine = EngineInfo("1", "pack", "standard", ("markers",))
        sha256 = hashlib.sha256(b"clean").hexdigest()
        report = Report("/p", sha256, 5, (), (), 5, 0.1, engine)
        identity = FileIdentity(1, 2, 3, 4, 5)
        move = Transfer(
            TRANSFER, Zone("prod"), "host1", Boundary.OPEN, "/p", identity, None, issued
        )
        allow = Decision(Verdict.ALLOW, rule="clean", policy_digest="c" * 64)
        terms = passport.Terms(to_zone="debug")
        envelope = passport.sign(report, move, allow, KEY, issued, terms)
        (self.folder / "core.passport.json").write_bytes(envelope)

    def revoke(self, *rules, now=None, sequence=3):
        """Write a list of revocations; its path."""
        path = self.folder / f"revocations-{len(list(self.folder.iterdir()))}.json"
        made = listed(*rules, sequence=sequence, now=now or self.now)
        path.write_bytes(revocations.sign(made, KEY))
        return path

    def verify(self, *words):
        """Run the command with a memory of this folder; exit code and answer."""
        state = ("--state", self.folder / "seen")
        given = ["verify", self.file, "--key", self.key, "--json", *state, *words]
        done = CliRunner().invoke(app, [str(word) for word in given])
        return done.exit_code, json.loads(done.stdout) if done.stdout else {}


@pytest.fixture
def received(tmp_path):
    """A file with a good passport."""
    return Received(tmp_path)


def test_a_good_passport_lets_a_file_in_and_says_what_was_looked_at(received):
    """With a list that does not mean it, and for the zone that it names."""
    words = ("--revocations", received.revoke(), "--zone", "debug", "--from-zone", "prod")
    code, answer = received.verify(*words, "--boundary", "open")
    assert (code, answer["valid"], answer["revocations"]) == (0, True, 3)
    assert answer["passport"]["coverage"] == {"size": 5, "bytesScanned": 5, "gaps": 0}
    code, answer = received.verify("--without-revocations")
    assert (code, answer["revocations"]) == (0, None)
    received.revoke().rename(received.folder / "revocations.json")
    assert received.verify()[0] == 0


def test_without_a_list_nothing_is_taken(received):
    """None beside the key, none where one is said to be; it must be said that none is wanted."""
    for words in ((), ("--revocations", received.folder / "nowhere")):
        code, answer = received.verify(*words)
        assert (code, answer["reason"]) == (1, "revocation-list")
    assert received.verify("--without-revocations", "--revocations", received.revoke())[0] == 2


def test_a_list_older_than_one_used_before_is_refused(received):
    """Whoever takes the newest away cannot show the one before, though it is in its time."""
    older, newer = received.revoke(sequence=3), received.revoke(sequence=4)
    assert received.verify("--revocations", older)[0] == 0
    assert received.verify("--revocations", newer)[0] == 0
    code, answer = received.verify("--revocations", older)
    assert (code, answer["reason"]) == (1, "revocation-list")
    (received.folder / "seen").write_text("none")
    assert received.verify("--revocations", newer)[0] == 2


def test_a_list_from_the_future_is_refused(received):
    """Its end would come too late by as much as the clock was wrong."""
    ahead = received.revoke(now=received.now + HOUR)
    code, answer = received.verify("--revocations", ahead)
    assert (code, answer["reason"]) == (1, "revocation-list")


def test_only_regular_files_are_read(received):
    """A pipe that nobody writes to would hold the gate for ever."""
    os.mkfifo(received.folder / "pipe")
    for words in (
        ("--passport", received.folder / "pipe"),
        ("--revocations", received.folder / "pipe"),
        ("--key", "/dev/zero"),
    ):
        assert received.verify(*words, *(() if "--revocations" in words else LAX))[0] == 2
    received.file.unlink()
    (received.folder / "pipe").rename(received.file)
    assert received.verify(*LAX)[0] == 2


def test_the_name_of_a_file_forges_no_answer(received):
    """What a person reads is one line, whatever the sender called the file."""
    hostile = received.folder / "x\nvalid: core\x1b[2K"
    received.file.rename(hostile)
    words = ["--key", received.key, "--passport", received.folder / "core.passport.json", *LAX]
    for content, code in ((b"clean", 0), (b"other", 1)):
        hostile.write_bytes(content)
        done = CliRunner().invoke(app, [str(word) for word in ("verify", hostile, *words)])
        assert (done.exit_code, done.stdout.count("\n")) == (code, 1)
        assert "\x1b" not in done.stdout


def test_the_memory_is_kept_for_each_key_below_the_state_folder(received, monkeypatch):
    """Where nothing else is said."""
    monkeypatch.setenv("XDG_STATE_HOME", str(received.folder / "state"))
    words = ["verify", received.file, "--key", received.key, "--revocations", received.revoke()]
    assert CliRunner().invoke(app, [str(word) for word in words]).exit_code == 0
    (kept,) = (received.folder / "state" / "lockgate").iterdir()
    assert (int(kept.read_text()), kept.stat().st_mode & 0o077) == (3, 0)


def test_everything_else_is_refused_with_its_word(received):
    """Exit code 1."""
    mine = Rule("blind", host="host1", zone="prod", since=received.now - HOUR)
    old = received.now - timedelta(days=2)
    for words, reason in (
        (("--zone", "x", *LAX), "other-to-zone"),
        (("--recipient", "x", *LAX), "other-recipient"),
        (("--revocations", received.revoke(mine)), "revoked"),
    ):
        code, answer = received.verify(*words)
        assert (code, answer["reason"]) == (1, reason)
    for words in (
        ("--revocations", received.revoke(now=old)),
        ("--min-sequence", 4, "--revocations", received.revoke()),
        ("--revocations", received.folder / "core"),
    ):
        code, answer = received.verify(*words)
        assert (code, answer["reason"]) == (1, "revocation-list")
    received.give(received.now - timedelta(days=8))
    assert received.verify(*LAX)[1]["reason"] == "expired"
    received.give(received.now)
    received.file.write_bytes(b"other")
    assert received.verify(*LAX)[1]["reason"] == "other-bytes"
    (received.folder / "core.passport.json").write_bytes(b"{}")
    assert received.verify(*LAX)[1]["reason"] == "not-signed"


def test_what_is_missing_is_said_in_one_line(received):
    """Exit code 2, for a file, passport or key that is not there or none."""
    received.key.write_text("no key")
    assert received.verify(*LAX)[0] == 2
    received.key.unlink()
    assert received.verify(*LAX)[0] == 2
