"""Whatever is done to what left the controller, the offline verifier sees it."""

import json
import random
import shutil

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine
from typer.testing import CliRunner

from lockgate.controller.ledger import Ledger, cli, publishing, verify
from lockgate.controller.ledger.note import sign_checkpoint
from lockgate.controller.ledger.schema import ledger_checkpoints, ledger_entries, ledger_nodes

KEY = Ed25519PrivateKey.generate()
PUBLIC = KEY.public_key()
ORIGIN = "lockgate.test/ledger"
#: Sizes at which each of the ledgers is signed; the widest has two tiles.
SIZES = (5, 9, 300)


class Exported:
    """A ledger that was signed several times, as it leaves the controller in both forms."""

    def __init__(self, state, mark):
        state.mkdir()
        engine = create_engine(f"sqlite:///{state}/controller.db")
        tables = [ledger_entries, ledger_nodes, ledger_checkpoints]
        ledger_entries.metadata.create_all(engine, tables)
        ledger, self.notes, held = Ledger(), [], 0
        self.folder, self.file = state / "ledger", state / "out.jsonl"
        for size in SIZES:
            with engine.begin() as connection:
                for number in range(held, size):
                    ledger.append(connection, {"kind": "k", "time": mark, "n": number})
                self.notes.append(ledger.checkpoint(connection, KEY, ORIGIN))
            with engine.connect() as connection:
                publishing.publish(connection, self.notes[-1], self.folder)
            held = size
        command = ["export", "--dir", str(state), "--out", str(self.file)]
        assert CliRunner().invoke(cli.app, command).exit_code == 0


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """One that nobody changes."""
    return Exported(tmp_path_factory.mktemp("one") / "state", "")


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """Another history, of the same sizes and signed with the same key."""
    return Exported(tmp_path_factory.mktemp("two") / "state", "x")


def is_whole(path, *kept):
    """Whether the verifier has nothing to say against a folder or file."""
    try:
        return verify.verify_path(path, PUBLIC, kept).problems == ()
    except verify.UnreadableLedger:
        return False


def test_what_was_exported_is_whole(exported):
    """Nothing is reported where nothing was done."""
    assert is_whole(exported.file, *exported.notes)
    assert is_whole(exported.folder, *exported.notes)


def _line(chance, lines):
    return chance.randrange(len(lines))


def _changed(chance, content):
    place = chance.randrange(len(content))
    other = content[place] ^ chance.randrange(1, 256)
    return content[:place] + bytes([other]) + content[place + 1 :]


def _cut(chance, content):
    return content[: chance.randrange(len(content))]


def _inserted(chance, content):
    place = chance.randrange(len(content) + 1)
    return content[:place] + bytes([chance.randrange(256)]) + content[place:]


def _without_a_line(chance, content):
    lines = content.splitlines(keepends=True)
    del lines[_line(chance, lines)]
    return b"".join(lines)


def _without_the_end(chance, content):
    lines = content.splitlines(keepends=True)
    return b"".join(lines[: _line(chance, lines)])


def _reordered(chance, content):
    lines = content.splitlines(keepends=True)
    one, two = chance.sample(range(SIZES[-1]), 2)
    lines[one], lines[two] = lines[two], lines[one]
    return b"".join(lines)


def _doubled(chance, content):
    lines = content.splitlines(keepends=True)
    place = _line(chance, lines)
    return b"".join([*lines[: place + 1], *lines[place:]])


MUTATIONS = [
    _changed,
    _cut,
    _inserted,
    _without_a_line,
    _without_the_end,
    _reordered,
    _doubled,
]


@settings(max_examples=150, deadline=None)
@given(mutate=st.sampled_from(MUTATIONS), seed=st.integers(0, 2**32))
def test_any_change_of_an_export_is_seen(exported, tmp_path_factory, mutate, seed):
    """A byte changed, cut or put in; a line removed, doubled or moved; the end gone."""
    content = exported.file.read_bytes()
    mutated = mutate(random.Random(seed), content)
    file = tmp_path_factory.getbasetemp() / "mutated.jsonl"
    file.write_bytes(mutated)
    assert mutated == content or not is_whole(file)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), mutate=st.sampled_from([_changed, _cut, _inserted]))
def test_any_change_of_a_published_file_is_seen(exported, data, mutate):
    """Also in the partial tiles that were left for who reads an earlier checkpoint."""
    files = sorted(file for file in exported.folder.rglob("*") if file.is_file())
    file = data.draw(st.sampled_from(files))
    content = file.read_bytes()
    try:
        mutated = mutate(random.Random(data.draw(st.integers(0, 2**32))), content)
        file.write_bytes(mutated)
        assert mutated == content or not is_whole(exported.folder)
    finally:
        file.write_bytes(content)


@pytest.mark.parametrize("size", [0, 1, 2])
def test_the_checkpoint_of_another_ledger_does_not_serve(exported, other, tmp_path, size):
    """Of another history of the same size, of another name, or signed with another key."""
    copy = shutil.copytree(exported.folder, tmp_path / "copy")
    size_of, root = verify.open_checkpoint(exported.notes[size], PUBLIC)
    stranger = sign_checkpoint(Ed25519PrivateKey.generate(), ORIGIN, size_of, root)
    for note in (other.notes[size], stranger):
        (copy / "checkpoint").write_text(note)
        assert not is_whole(copy)
    renamed = sign_checkpoint(KEY, "lockgate.test/other", size_of, root)
    (copy / "checkpoint").write_text(renamed)
    assert not is_whole(copy, exported.notes[0])


def test_a_fork_of_equal_size_is_seen_by_any_kept_checkpoint(exported, other):
    """Each history is whole in itself, and neither is with a checkpoint of the other's."""
    for mine, theirs in ((exported, other), (other, exported)):
        for note in theirs.notes:
            assert not is_whole(mine.file, note)
            assert not is_whole(mine.folder, note)


def test_two_histories_spliced_are_seen(exported, other, tmp_path):
    """Entries of one under the checkpoints of the other, from any place on."""
    mine, theirs = (each.file.read_bytes().splitlines(keepends=True) for each in (exported, other))
    spliced = tmp_path / "spliced.jsonl"
    for place in (0, 4, 5, 299):
        lines = [*mine[:place], *theirs[place : SIZES[-1]], *mine[SIZES[-1] :]]
        spliced.write_bytes(b"".join(lines))
        assert not is_whole(spliced)


def test_hash_tiles_that_do_not_belong_to_the_entries_are_seen(exported, other, tmp_path):
    """Tiles of one history beside the bundles of the other."""
    copy = shutil.copytree(exported.folder, tmp_path / "copy")
    for level in ("0", "1", "entries"):
        shutil.rmtree(copy / "tile" / level)
        shutil.copytree(other.folder / "tile" / level, copy / "tile" / level)
        assert not is_whole(copy)
        shutil.rmtree(copy / "tile" / level)
        shutil.copytree(exported.folder / "tile" / level, copy / "tile" / level)
    assert is_whole(copy)


def test_an_empty_ledger_is_whole_only_with_its_own_checkpoint(exported, tmp_path):
    """Signed as empty it is; without checkpoint, or after a larger one, it is not."""
    empty = tmp_path / "empty"
    empty.mkdir()
    assert not is_whole(empty)
    file = tmp_path / "empty.jsonl"
    file.write_bytes(b"")
    assert not is_whole(file)
    (empty / "checkpoint").write_text(sign_checkpoint(KEY, ORIGIN, 0, verify._Tree().root()))
    assert is_whole(empty)
    assert not is_whole(empty, exported.notes[0])
    (empty / "checkpoint").write_text(exported.notes[0])
    assert not is_whole(empty)


@pytest.fixture(scope="module")
def proof(exported):
    """A proof of one entry, as it is printed."""
    state = exported.file.parent
    (state / "identity").mkdir()
    pem = PUBLIC.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (state / "identity" / "ledger.pub").write_bytes(pem)
    command = ["prove", "7", "--json", "--dir", str(state)]
    return json.loads(CliRunner().invoke(cli.app, command).output)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("index", 8),
        ("entry", '{"kind":"k","n":8,"time":"","v":1}'),
        ("entry", ""),
        ("leaf", "00" * 32),
        ("root", "00" * 32),
        ("size", 299),
        ("proof", []),
        ("proof", [[]] * 3),
        ("checkpoint", ""),
    ],
)
def test_any_field_of_a_proof_that_was_changed_is_seen(proof, tmp_path, field, value):
    """Also those that are told beside what is computed again."""
    file = tmp_path / "proof.json"
    file.write_text(_shown(proof))
    assert is_whole(file)
    file.write_text(_shown({**proof, field: value}))
    assert is_whole(file) is ((field, value) == ("entry", ""))  # as an expired one is proven


def test_a_proof_does_not_hold_against_what_was_kept_elsewhere(proof, other, tmp_path):
    """Another history's checkpoint, or one that nobody signed, is a problem and not passed over."""
    file = tmp_path / "proof.json"
    file.write_text(_shown(proof))
    assert not is_whole(file, other.notes[-1])
    assert not is_whole(file, "nothing")


def test_a_proof_nested_without_end_is_unreadable(tmp_path):
    """Hostile JSON is an answer, not a stack trace."""
    file = tmp_path / "proof.json"
    file.write_text('{"checkpoint":"","proof":[' + "[" * 100_000)
    with pytest.raises(verify.UnreadableLedger):
        verify.verify_path(file, PUBLIC)


def _shown(proof):
    return json.dumps(proof, sort_keys=True, separators=(",", ":"))
