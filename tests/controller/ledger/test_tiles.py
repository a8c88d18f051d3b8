"""The published ledger: C2SP tlog-tiles, whole at every checkpoint; every change in it is seen."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine

from lockgate.controller.backup.rewind import refuse_rewound
from lockgate.controller.ledger import Ledger, publishing, tiles, verify
from lockgate.controller.ledger.schema import ledger_checkpoints, ledger_entries, ledger_nodes
from lockgate.controller.ledger.tiles import Tile
from lockgate.controller.store.faults import StoreError

KEY = Ed25519PrivateKey.generate()
PUBLIC = KEY.public_key()
ORIGIN = "lockgate.test/ledger"
#: A full tile of each level below the second, and partial ones of three widths.
SIZES = (3, 300, 770)


class Published:
    """A store, and the folder it is published in, signed at several sizes."""

    def __init__(self, folder, mark=""):
        self.engine = create_engine(f"sqlite:///{folder}/controller.db")
        tables = [ledger_entries, ledger_nodes, ledger_checkpoints]
        ledger_entries.metadata.create_all(self.engine, tables)
        self.folder, self.ledger, self.mark = folder / "ledger", Ledger(), mark
        self.notes = []

    def grow(self, size):
        """Append up to ``size`` entries, sign and publish; the checkpoint."""
        with self.engine.begin() as connection:
            held = self.ledger._follow(connection)
            for number in range(held, size):
                self.ledger.append(connection, {"kind": "k", "time": self.mark, "n": number})
            note = self.ledger.checkpoint(connection, KEY, ORIGIN)
        self.publish(note)
        self.notes.append(note)
        return note

    def publish(self, note):
        """Publish again, from the store."""
        with self.engine.connect() as connection:
            publishing.publish(connection, note, self.folder)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """One that nobody changes."""
    made = Published(tmp_path_factory.mktemp("published"))
    for size in SIZES:
        made.grow(size)
    return made


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """Another history of the same ledger, signed with the same key."""
    made = Published(tmp_path_factory.mktemp("other"), mark="x")
    for size in SIZES:
        made.grow(size)
    return made


def problems(folder, *kept):
    """What the verifier says of a folder."""
    return verify.verify_path(folder, PUBLIC, kept).problems


def files_of(published):
    """Every file that the newest checkpoint needs."""
    size = SIZES[-1]
    needed = [published.folder / "checkpoint"]
    for tile in tiles.grown(0, size):
        needed.append(published.folder / tile.path)
        if tile.level == 0:
            needed.append(published.folder / tile.bundle_path)
    return needed


def test_the_names_are_those_of_the_specification():
    """The examples that C2SP tlog-tiles gives, and its list for a tree of 70,000."""
    assert Tile(0, 1234067, 256).path == "tile/0/x001/x234/067"
    assert Tile(0, 273, 112).bundle_path == "tile/entries/273.p/112"
    made = list(tiles.grown(0, 70_000))
    full = [tile for tile in made if tile.width == 256]
    partial = [(tile.level, tile.width) for tile in made if tile.width < 256]
    assert [sum(tile.level == level for tile in full) for level in (0, 1)] == [273, 1]
    assert partial == [(0, 112), (1, 17), (2, 1)]
    assert list(tiles.grown(0, 256)) == [Tile(0, 0, 256), Tile(1, 0, 1)]


@given(st.lists(st.integers(0, 70_000), min_size=2, max_size=5).map(sorted))
def test_growing_in_steps_gives_every_tile_that_growing_at_once_gives(sizes):
    """Whatever the checkpoints between, the last one has all its tiles."""
    made = {
        tile for old, new in zip([0, *sizes], sizes, strict=False) for tile in tiles.grown(old, new)
    }
    assert set(tiles.grown(0, sizes[-1])) <= made


def test_every_checkpoint_is_whole_and_the_earlier_ones_are_its_beginning(published):
    """Nothing is reported; each checkpoint of another time is consistent with the newest."""
    outcome = verify.verify_path(published.folder, PUBLIC, published.notes)
    assert (outcome.problems, outcome.size, outcome.covered) == ((), 770, 770)


def test_earlier_checkpoints_find_their_partial_tiles(published, tmp_path):
    """Whoever holds an earlier checkpoint verifies the folder as it was then."""
    copy = shutil.copytree(published.folder, tmp_path / "copy")
    for note in published.notes[:-1]:
        (copy / "checkpoint").write_text(note)
        assert problems(copy) == ()
        assert problems(copy, published.notes[-1]) != ()  # and that it was cut


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_byte_changed_added_or_removed_is_seen(published, data):
    """In every class of file: bundles, tiles of each level, full and partial, checkpoint."""
    file = data.draw(st.sampled_from(files_of(published)))
    content = file.read_bytes()
    place = data.draw(st.integers(0, len(content) - 1))
    kind = data.draw(st.sampled_from(["change", "remove", "add", "cut", "delete", "empty"]))
    changed = {
        "change": content[:place]
        + bytes([content[place] ^ data.draw(st.integers(1, 255))])
        + content[place + 1 :],
        "remove": content[:place] + content[place + 1 :],
        "add": content[:place] + bytes([data.draw(st.integers(0, 255))]) + content[place:],
        "cut": content[:place],
        "empty": b"",
        "delete": b"",
    }[kind]
    try:
        file.unlink() if kind == "delete" else file.write_bytes(changed)
        assert changed == content or not _is_whole(published.folder)
    finally:
        file.write_bytes(content)


def _is_whole(folder):
    try:
        return problems(folder) == ()
    except verify.UnreadableLedger:
        return False


@settings(max_examples=50, deadline=None)
@given(first=st.integers(0, 769), second=st.integers(0, 769))
def test_entries_that_change_places_are_seen(published, first, second):
    """Also within one bundle, where all lengths stay right."""
    bundles = [
        published.folder / tile.bundle_path for tile in tiles.grown(0, 770) if not tile.level
    ]
    kept = [file.read_bytes() for file in bundles]
    entries = [{"kind": "k", "n": n, "time": "", "v": 1} for n in range(770)]
    entries[first], entries[second] = entries[second], entries[first]
    raw = [json.dumps(e, sort_keys=True, separators=(",", ":")).encode() for e in entries]
    try:
        for number, file in enumerate(bundles):
            file.write_bytes(tiles.bundle(raw[number * 256 : number * 256 + 256]))
        assert _is_whole(published.folder) is (first == second)
    finally:
        for file, content in zip(bundles, kept, strict=True):
            file.write_bytes(content)


def test_another_history_signed_with_the_same_key_is_seen_by_what_was_kept(published, other):
    """A fork is whole in itself; one checkpoint of any time tells it."""
    assert problems(other.folder) == ()
    for note in published.notes:
        assert problems(other.folder, note) != ()


def test_a_folder_of_another_history_is_not_published_into(published, other, tmp_path):
    """A store that was set back and went on does not overwrite what it had published."""
    folder = shutil.copytree(published.folder, tmp_path / "mixed")
    (folder / "checkpoint").unlink()
    with other.engine.connect() as connection, pytest.raises(publishing.OtherHistoryError):
        publishing.publish(connection, other.notes[-1], folder)
    assert not (folder / "checkpoint").exists()


@pytest.mark.parametrize("size", [250, 400])
def test_a_store_that_was_set_back_publishes_nothing(tmp_path, size):
    """Smaller than what was published, or grown again beyond it: the folder stays as it was."""
    made, later = Published(tmp_path), tmp_path / "later"
    made.grow(300)
    later.mkdir()
    back = Published(later, mark="other")
    back.folder = made.folder
    before = {file: file.read_bytes() for file in made.folder.rglob("*") if file.is_file()}
    with pytest.raises(publishing.OtherHistoryError):
        back.grow(size)
    after = {file: file.read_bytes() for file in made.folder.rglob("*") if file.is_file()}
    assert after == before


def test_a_controller_does_not_start_beside_another_history(published, other):
    """A store of the right size whose entries are others is noticed before a port is opened."""
    with published.engine.connect() as connection:
        refuse_rewound(connection, published.folder)
    with other.engine.connect() as connection, pytest.raises(StoreError, match="another history"):
        refuse_rewound(connection, published.folder)


@pytest.mark.parametrize("text", ["", "x\n770", "x\n770\n", "x\ny\nz\n", "\udcff"])
def test_a_damaged_checkpoint_is_written_again(tmp_path, text):
    """The publisher goes on; what stands in the tiles is compared all the same."""
    made = Published(tmp_path)
    note = made.grow(300)
    (made.folder / "checkpoint").write_text(text, errors="surrogateescape")
    made.publish(note)
    assert problems(made.folder) == ()


def test_a_publisher_that_died_anywhere_goes_on(tmp_path):
    """Whichever files the last run left, the next makes the folder whole."""
    made = Published(tmp_path)
    made.grow(300)
    before = made.folder / "checkpoint"
    old = before.read_text()
    note = made.grow(600)
    for file in sorted(made.folder.rglob("*")):
        if file.is_file() and file.parts[-3:-1] != ("tile", "0"):
            before.write_text(old)
            if file.name != "checkpoint" and _is_new(made.folder, file, old):
                file.unlink()
            made.publish(note)
            assert problems(made.folder) == ()


def _is_new(folder, file, note):
    size = publishing.size_of_note(note)
    had = {t.path for t in tiles.grown(0, size)} | {t.bundle_path for t in tiles.grown(0, size)}
    return str(file.relative_to(folder)) not in had


def test_partial_tiles_go_once_the_full_one_is_old(tmp_path):
    """What a current reader may still need stays."""
    made = Published(tmp_path)
    made.grow(200)
    made.grow(600)
    publishing.remove_partials(made.folder)
    assert (made.folder / "tile/0/000.p/200").exists()
    for file in made.folder.rglob("000"):
        os.utime(file, (1, 1))
    publishing.remove_partials(made.folder)
    assert not (made.folder / "tile/0/000.p").exists()
    assert not (made.folder / "tile/entries/000.p").exists()
    assert problems(made.folder) == ()


def test_the_verifier_runs_without_lockgate(published, tmp_path):
    """As a file of its own, in a Python that cannot see the rest."""
    script = shutil.copy(Path(verify.__file__), tmp_path / "verify.py")
    key = tmp_path / "ledger.pub"
    key.write_bytes(PUBLIC.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    kept = tmp_path / "kept"
    kept.write_text(published.notes[0])
    command = [sys.executable, "-P", "-S", script, key, published.folder, kept]
    site = next(p for p in sys.path if p.endswith("site-packages"))
    done = subprocess.run(
        command, capture_output=True, text=True, env={"PYTHONPATH": site}, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["size"] == 770
