"""Backup of a running controller, restore of one that does not run; no silent rewind."""

import io
import json
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from lockgate.controller import config, setup
from lockgate.controller.backup import making, restoring, rewind
from lockgate.controller.backup.archive import BackupError
from lockgate.controller.backup.restoring import Order
from lockgate.controller.ledger import Ledger
from lockgate.controller.people import passwords, people
from lockgate.controller.people.roles import Role
from lockgate.controller.store import reading
from lockgate.controller.store.database import StoreError

VERIFY = [sys.executable, "-c", "from lockgate.controller.ledger.cli import app; app()", "verify"]
REASON = "the disk died, and the newest backup is of yesterday"


@pytest.fixture
def in_file(controller, tmp_path):
    """Makes a backup of the running controller; the file."""

    def make(name="b.tar", *, with_identity=False):
        making.make(controller.settings, tmp_path / name, with_identity=with_identity)
        return tmp_path / name

    return make


@pytest.fixture
def elsewhere(controller, new_controller, tmp_path, cluster):
    """A controller that has nothing but its settings: a new machine, a new database."""
    made = new_controller(tmp_path / "new", controller.database and cluster.database())
    made.configure()
    return made


def entries_of(made):
    """The ledger entries of a controller that serves or not."""
    return [entry["kind"] for entry in made.entries()]


def test_a_running_controller_is_backed_up_whole(controller, agent, samples, in_file, elsewhere):
    """Under load, every decision answered before the backup is in what it restores to."""
    answered, stop = [], threading.Event()

    def load():
        while not stop.is_set():
            transfer = samples.transfer()
            agent.ask(transfer, samples.report())
            answered.append(transfer.transfer_id)

    thread = threading.Thread(target=load)
    thread.start()
    while len(answered) < 20:
        assert thread.is_alive()
        time.sleep(0.01)
    before = list(answered)
    file = in_file(with_identity=True)
    stop.set()
    thread.join(20)
    done = restoring.restore(elsewhere.settings, Order(file))
    assert done.lost is None
    kept = {entry.get("transfer_id") for entry in elsewhere.entries()}
    assert set(before) <= kept
    assert entries_of(elsewhere)[-1] == "restore"
    elsewhere.start()
    answer = elsewhere.enrol("host-2").ask(samples.transfer("host-2"), samples.report())
    assert elsewhere.entries()[answer.ledger_index]["kind"] == "verdict"
    elsewhere.stop()
    command = [*VERIFY, elsewhere.state]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0


def test_the_file_is_for_its_owner_and_has_keys_only_when_asked(in_file):
    """Mode 0600; without the flag no member is a private key."""
    plain, full = in_file("a.tar"), in_file("c.tar", with_identity=True)
    assert {file.stat().st_mode & 0o777 for file in (plain, full)} == {0o600}
    assert b"PRIVATE KEY" not in plain.read_bytes()
    with tarfile.open(full) as tar:
        assert {"identity/ca.key", "identity/ledger.key"} <= set(tar.getnames())


def test_an_existing_file_is_not_overwritten(in_file):
    """A backup that is there stays."""
    file = in_file()
    before = file.read_bytes()
    with pytest.raises(FileExistsError):
        in_file()
    assert file.read_bytes() == before


@pytest.fixture
def old(controller, cluster, samples, agent, in_file):
    """A backup that lacks what was decided, and published, after it; the controller has ended."""
    file = in_file()
    agent.ask(samples.transfer(), samples.report())
    assert controller.stop() == 0
    if controller.database:
        controller.database = cluster.database()
        controller.configure()
    return file


def test_a_restore_that_would_rewind_is_refused(controller, old):
    """What was published is not there; nothing is replaced."""
    stood = controller.settings.database or (controller.state / "controller.db").read_bytes()
    with pytest.raises(BackupError, match="rewind"):
        restoring.restore(controller.settings, Order(old))
    assert stood == (
        controller.settings.database or (controller.state / "controller.db").read_bytes()
    )
    if controller.database:
        with pytest.raises(StoreError, match="no store here"):
            controller.entries()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_entries_that_were_not_signed_for_yet_refuse_a_rewind(controller, in_file):
    """What a controller acknowledged in the seconds before it was killed counts as well."""
    assert controller.stop() == 0
    file = in_file()
    setup.make_token(controller.settings, None, timedelta(minutes=1))
    with pytest.raises(BackupError, match="rewind"):
        restoring.restore(controller.settings, Order(file))
    assert entries_of(controller)[-1] == "join-token"


def test_a_kept_checkpoint_alone_refuses_a_rewind(controller, old, elsewhere):
    """The new machine knows nothing; the checkpoint on write-once storage does."""
    shutil.copytree(controller.state / "identity", elsewhere.state / "identity")
    kept = (controller.state / "ledger" / "checkpoint").read_text()
    with pytest.raises(BackupError, match="rewind"):
        restoring.restore(elsewhere.settings, Order(old, kept=(kept,)))
    assert restoring.restore(elsewhere.settings, Order(old)).lost is None


def test_an_accepted_rewind_is_on_the_record_and_alerted(controller, old, samples):
    """Reason and lost checkpoint are in the ledger; the controller serves on and verifies."""
    published = (controller.state / "ledger" / "checkpoint").read_text()
    done = restoring.restore(controller.settings, Order(old, accept_rewind=REASON))
    assert done.lost.note == published
    last = controller.entries()[-1]
    assert (last["kind"], last["reason"]) == ("restore-rewound", REASON)
    assert last["lost_checkpoint"] == published
    told = controller.read(reading.alerts_of, 1)[0]["event"]
    assert told["severity_id"] == 5
    aside = list(controller.state.glob("ledger.rewound-*/checkpoint"))
    assert [path.read_text() for path in aside] == [published]
    controller.start()
    controller.enrol("host-3").ask(samples.transfer("host-3"), samples.report())
    assert controller.stop() == 0
    command = [*VERIFY, controller.state]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0


def test_a_store_that_was_put_back_by_hand_does_not_start(controller, tmp_path, samples, agent):
    """A copy of the file, or of the database, behind the controller's back is noticed."""
    agent.ask(samples.transfer(), samples.report())
    assert controller.stop() == 0
    gone = text('DELETE FROM ledger_entries WHERE "index" > 1')
    setup.write(controller.settings, lambda c: c.execute(gone))
    with pytest.raises(AssertionError, match="were published"):
        controller.start()


def test_a_serving_controller_is_not_restored_and_not_run_twice(controller, in_file):
    """Its state folder is taken."""
    file = in_file()
    with pytest.raises(StoreError, match="a controller serves"):
        restoring.restore(controller.settings, Order(file))
    other = type(controller)(controller.state, controller.database)
    with pytest.raises(AssertionError, match="a controller serves"):
        other.start()
    other.stop(signal.SIGKILL)


def test_a_backup_of_another_controller_is_refused(controller, in_file, new_controller, tmp_path):
    """Keys and ledger belong together."""
    file = in_file()
    other = new_controller(tmp_path / "other")
    other.initialise()
    kind = "sqlite" if not controller.database else "postgresql"
    with pytest.raises(BackupError, match="another" if kind == "sqlite" else "of a postgresql"):
        restoring.restore(other.settings, Order(file))


def test_without_keys_a_restore_says_what_is_missing(in_file, elsewhere):
    """A new machine needs the identity, from the backup or from its own safe place."""
    with pytest.raises(BackupError, match="put the controller's keys there"):
        restoring.restore(elsewhere.settings, Order(in_file()))


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_damaged_backup_is_refused_and_the_store_stays(controller, in_file):
    """A changed entry in the backup is a changed ledger."""
    file = in_file()
    assert controller.stop() == 0
    stood = controller.entries()
    raw = file.read_bytes()
    file.write_bytes(raw.replace(b'"kind":"controller-made"', b'"kind":"controller-mad!"'))
    with pytest.raises(BackupError, match="does not verify"):
        restoring.restore(controller.settings, Order(file))
    for damage in (raw[:1000], b"", b"x" * 4096):
        file.write_bytes(damage)
        with pytest.raises(BackupError):
            restoring.restore(controller.settings, Order(file))
    assert controller.entries() == stood


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_restore_takes_two_administrators_where_there_are_two(controller, in_file):
    """One password, a wrong one, or the same person twice are not enough."""
    now, right = datetime.now(UTC), "correct horse battery"
    for name in ("ann", "bob", "eve"):
        roles = frozenset({Role.VIEWER if name == "eve" else Role.ADMINISTRATOR})

        def add(connection, name=name, roles=roles):
            person = people.put(connection, Ledger(), name, roles, now)
            people.set_password(connection, Ledger(), person, passwords.hashed(right), now)

        setup.write(controller.settings, add)
    file = in_file()
    assert controller.stop() == 0

    def restored_by(*approvers):
        order = Order(file, accept_rewind=REASON, approvers=approvers)
        return restoring.restore(controller.settings, order)

    for few in ((), (("ann", right),), (("ann", right), ("ann", right))):
        with pytest.raises(BackupError, match="two administrators"):
            restored_by(*few)
    for wrong in (("bob", "wrong"), ("eve", right), ("nobody", right)):
        with pytest.raises(BackupError, match="no administrator"):
            restored_by(("ann", right), wrong)
    restored_by(("ann", right), ("bob", right))
    assert len(controller.entries()[-1]["by"]) == 2


def test_the_largest_lost_checkpoint_is_told():
    """Of several known checkpoints the one that speaks of most counts; equal is not lost."""
    known = [rewind.Known(size, str(size)) for size in (3, 9, 7)]
    assert rewind.lost(8, known) == known[1]
    assert rewind.lost(9, known) is None


@pytest.fixture(scope="module")
def still(tmp_path_factory):
    """A backup of a controller that never ran, with its keys."""
    state = tmp_path_factory.mktemp("still")
    settings = config.load(flags={"state_dir": state, "trust_domain": "t"}, environment={})
    setup.initialise(settings)
    making.make(settings, state / "b.tar", with_identity=True)
    return state / "b.tar"


def refusal_of(content, tmp_path):
    """Why a backup with this content is not restored on a new machine; None if it is."""
    (tmp_path / "x.tar").write_bytes(content)
    state = tmp_path / "restored"
    state.mkdir()
    settings = config.load(flags={"state_dir": state}, environment={})
    try:
        restoring.restore(settings, Order(tmp_path / "x.tar"))
    except (BackupError, StoreError) as error:
        assert not (state / "controller.db").exists()
        return str(error)
    finally:
        shutil.rmtree(state)
    return None


def test_a_backup_that_was_cut_is_refused_in_words(still, tmp_path):
    """Wherever it ends: nothing is put in place."""
    whole = still.read_bytes()
    assert refusal_of(whole, tmp_path) is None
    end = whole.rstrip(b"\0")
    with tarfile.open(still) as tar:
        between = [member.offset + more for member in tar for more in (0, 1, 511)]
    for length in [0, 1, 511, 513, 2000, *between, *random.sample(range(len(end)), 12)]:
        assert refusal_of(whole[:length], tmp_path), length


@pytest.mark.parametrize("value", [None, 5, "x", [], -1])
@pytest.mark.parametrize("field", ["kind", "made_at", "checkpoint", "ledger_public"])
def test_a_backup_that_says_nonsense_of_itself_is_refused_in_words(still, tmp_path, field, value):
    """Each field of its manifest is checked before anything is done."""
    content = io.BytesIO()
    with tarfile.open(still) as old, tarfile.open(fileobj=content, mode="w") as made:
        for member in old:
            body = old.extractfile(member).read()
            if member.name == "manifest.json":
                body = json.dumps({**json.loads(body), field: value}).encode()
                member.size = len(body)
            made.addfile(member, io.BytesIO(body))
    assert refusal_of(content.getvalue(), tmp_path)


def test_a_backup_whose_store_is_an_older_one_is_refused(still, tmp_path):
    """The manifest's checkpoint speaks of entries that the store in it does not have."""
    state = still.parent
    settings = config.load(flags={"state_dir": state}, environment={})
    setup.make_token(settings, None, timedelta(minutes=1))
    making.make(settings, tmp_path / "newer.tar", with_identity=True)
    content = io.BytesIO()
    with (
        tarfile.open(still) as old,
        tarfile.open(tmp_path / "newer.tar") as newer,
        tarfile.open(fileobj=content, mode="w") as made,
    ):
        for member in newer:
            source = old if member.name == "store" else newer
            taken = source.getmember(member.name)
            made.addfile(taken, source.extractfile(taken))
    assert "rewind" in refusal_of(content.getvalue(), tmp_path)
