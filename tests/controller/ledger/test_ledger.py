"""The ledger: proofs of every size, and a verifier that sees every single change."""

import json
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, text
from typer.testing import CliRunner

from lockgate.controller.ledger import Ledger, cli, publishing, tiles, tree, verify
from lockgate.controller.ledger.entry import entry_bytes
from lockgate.controller.ledger.note import sign_checkpoint
from lockgate.controller.ledger.schema import ledger_checkpoints, ledger_entries, ledger_nodes

ORIGIN = "lockgate.test/ledger"
TABLES = [ledger_entries, ledger_nodes, ledger_checkpoints]


def grown(size):
    """A tree of ``size`` leaves: all nodes, and the root after each append."""
    frontier, nodes, roots = [], {}, [tree.root([])]
    for index in range(size):
        leaf = tree.leaf_hash(b"%d" % index)
        nodes[0, index] = leaf
        nodes.update(tree.append(index, frontier, leaf))
        roots.append(tree.root(frontier))
    return nodes, roots


NODES, ROOTS = grown(130)


def test_roots_are_those_of_rfc_6962():
    """Appending gives the roots of the recursive definition in the RFC."""

    def definition(leaves):
        if len(leaves) == 1:
            return leaves[0]
        middle = 1 << (len(leaves) - 1).bit_length() - 1
        return tree.node_hash(definition(leaves[:middle]), definition(leaves[middle:]))

    leaves = [NODES[0, index] for index in range(130)]
    for size in range(1, 131):
        assert ROOTS[size] == definition(leaves[:size])


def test_every_entry_of_every_size_is_proven_and_nothing_else():
    """An inclusion proof holds for its entry and for no other entry, place or path."""
    for size in range(1, 131):
        for index in range(size):
            path = tree.inclusion_proof(NODES.__getitem__, index, size)
            leaf = NODES[0, index]
            assert tree.inclusion_holds(leaf, index, size, path, ROOTS[size])
            assert not tree.inclusion_holds(tree.leaf_hash(b"x"), index, size, path, ROOTS[size])
            assert not tree.inclusion_holds(leaf, index, size, [*path, leaf], ROOTS[size])
            assert not tree.inclusion_holds(leaf, index, size, path, ROOTS[size - 1])


def test_every_pair_of_sizes_is_consistent_and_nothing_else():
    """A consistency proof holds between its two trees and not with another root."""
    for new in range(1, 131):
        for old in range(1, new + 1):
            path = tree.consistency_proof(NODES.__getitem__, old, new)
            assert tree.consistency_holds(old, new, ROOTS[old], ROOTS[new], path)
            assert not tree.consistency_holds(old, new, ROOTS[old - 1], ROOTS[new], path)
            assert not tree.consistency_holds(old, new, ROOTS[old], ROOTS[new - 1], path)


KEY = Ed25519PrivateKey.generate()
ENTRIES = [entry_bytes({"kind": "k", "time": "t", "n": n}) for n in range(9)]


def signed(entries):
    """The checkpoint of a list of entries."""
    frontier = []
    for index, entry in enumerate(entries):
        tree.append(index, frontier, tree.leaf_hash(entry))
    return sign_checkpoint(KEY, ORIGIN, len(entries), tree.root(frontier))


def problems(entries, notes, key=KEY):
    """What the verifier says of a list of entries."""
    records = (verify.Record(i, entry, None) for i, entry in enumerate(entries))
    return verify.verify(records, notes, key.public_key()).problems


def test_a_whole_ledger_has_no_problem():
    """Nothing is reported where nothing was changed."""
    assert problems(ENTRIES, [signed(ENTRIES[:4]), signed(ENTRIES)]) == ()


@given(st.integers(0, 8), st.integers(0, 8), st.sampled_from(["change", "drop", "insert", "swap"]))
def test_every_single_mutation_is_detected(place, other, mutation):
    """One entry changed, removed, inserted or moved is seen; growth behind the end is none."""
    mutated = list(ENTRIES)
    if mutation == "change":
        mutated[place] = entry_bytes({"kind": "k", "time": "t", "n": 100})
    elif mutation == "drop":
        del mutated[place]
    elif mutation == "insert":
        mutated.insert(place, ENTRIES[other])
    else:
        mutated[place], mutated[other] = mutated[other], mutated[place]
    assert bool(problems(mutated, [signed(ENTRIES)])) is (mutated[:9] != ENTRIES)


def test_a_checkpoint_of_another_key_or_a_changed_one_is_refused():
    """Only what this key signed counts."""
    note = signed(ENTRIES)
    assert problems(ENTRIES, [note], Ed25519PrivateKey.generate())
    assert problems(ENTRIES, [note.replace("\n9\n", "\n8\n")])


def test_an_entry_too_long_for_a_bundle_is_shortened_and_says_so():
    """However much a hostile report holds, its entry can be published."""
    finding = {"fingerprint": "f" * 80, "protected_name": "\u2028" * 5000}
    raw = entry_bytes({"kind": "verdict", "time": "t", "findings": [finding] * 100})
    assert len(raw) <= tiles.LONGEST_ENTRY
    entry = json.loads(raw)
    assert len(entry["findings"]) == entry["shortened"]
    assert entry["findings"][0]["fingerprint"] == "f" * 80


def test_no_checkpoint_is_a_problem():
    """Without a checkpoint truncation could not be told, and that is said."""
    assert problems(ENTRIES, [])


@pytest.mark.parametrize("entry", [{"kind": "k"}, {"kind": "k", "time": 1.5}, {"time": "t"}])
def test_an_entry_without_a_canonical_form_is_refused(entry):
    """Floats and entries without kind or time never get into the tree."""
    with pytest.raises(ValueError):
        entry_bytes(entry)


def sign(engine, ledger, folder):
    """Sign the ledger as it is, and publish it into the state folder."""
    with engine.begin() as connection:
        note = ledger.checkpoint(connection, KEY, ORIGIN)
    with engine.connect() as connection:
        publishing.publish(connection, note, folder / "ledger")


@pytest.fixture
def state(tmp_path):
    """A state folder with a ledger of 20 entries, written by two appenders in turn."""
    engine = create_engine(f"sqlite:///{tmp_path}/controller.db")
    ledger_entries.metadata.create_all(engine, TABLES)
    first, second = Ledger(), Ledger()
    now = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
    for number in range(20):
        with engine.begin() as connection:
            writer = first if number % 3 else second
            assert writer.append(connection, {"kind": "k", "time": now, "n": number}) == number
    sign(engine, first, tmp_path)
    (tmp_path / "identity").mkdir()
    pem = KEY.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (tmp_path / "identity" / "ledger.pub").write_bytes(pem)
    yield tmp_path, engine
    engine.dispose()


def run(*arguments):
    """Run the command line."""
    return CliRunner().invoke(cli.app, [str(a) for a in arguments])


def test_a_store_verifies_and_its_export_too(state):
    """State folder, store file and export are each verified offline."""
    folder, _ = state
    key = ["--key", folder / "identity" / "ledger.pub"]
    assert run("verify", folder).exit_code == 0
    assert run("verify", folder / "controller.db").exit_code == 0
    assert run("export", "--out", folder / "out.jsonl", "--dir", folder).exit_code == 0
    assert run("verify", folder / "out.jsonl", *key).exit_code == 0


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE ledger_entries SET entry = '{}' WHERE \"index\" = 3",
        'DELETE FROM ledger_entries WHERE "index" = 19',
        'DELETE FROM ledger_entries WHERE "index" = 5',
        "UPDATE ledger_entries SET leaf_hash = x'00' WHERE \"index\" = 3",
        "UPDATE ledger_nodes SET hash = x'00' WHERE level = 2",
        "DELETE FROM ledger_nodes WHERE level = 1",
        "DELETE FROM ledger_checkpoints",
        "UPDATE ledger_checkpoints SET note = ''",
        "DROP TABLE ledger_nodes",
    ],
)
def test_a_store_that_was_tampered_with_does_not_verify(state, sql):
    """A change, a truncation, a deletion or a changed hash, node or checkpoint is seen."""
    folder, engine = state
    with engine.begin() as connection:
        connection.execute(text(sql))
    assert run("verify", folder).exit_code == (2 if sql.startswith("DROP") else 1)


def test_an_older_copy_of_the_store_does_not_verify(state, tmp_path):
    """A rolled back database is seen by the published checkpoint, or by one kept elsewhere."""
    folder, engine = state
    older = tmp_path / "older.db"
    with closing(sqlite3.connect(folder / "controller.db")) as live:
        live.execute("VACUUM INTO ?", (str(older),))
    ledger = Ledger()
    with engine.begin() as connection:
        ledger.append(connection, {"kind": "k", "time": "t"})
    sign(engine, ledger, folder)
    assert run("verify", folder).exit_code == 0
    key = ["--key", folder / "identity" / "ledger.pub"]
    assert run("verify", older, *key).exit_code == 0
    kept = ["--checkpoint", folder / "ledger" / "checkpoint"]
    assert run("verify", older, *key, *kept).exit_code == 1
    engine.dispose()
    older.replace(folder / "controller.db")
    assert run("verify", folder).exit_code == 1
    (folder / "ledger" / "checkpoint").unlink()
    assert "is missing" in run("verify", folder).output


def test_an_export_cut_short_does_not_verify(state):
    """Lines missing at the end, in the middle of one, or from the beginning."""
    folder, _ = state
    key = ["--key", folder / "identity" / "ledger.pub"]
    out = folder / "out.jsonl"
    assert run("export", "--out", out, "--dir", folder).exit_code == 0
    whole = out.read_bytes()
    lines = whole.splitlines(keepends=True)
    for cut in (whole[:-10], b"".join(lines[:-1]), b"".join(lines[1:]), b"".join(lines[:5]), b""):
        out.write_bytes(cut)
        assert run("verify", out, *key).exit_code == 1


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("UPDATE ledger_nodes SET hash = x'00' WHERE level = 2", 1),
        ("DELETE FROM ledger_nodes WHERE level = 2", 2),
        ('DELETE FROM ledger_entries WHERE "index" = 3', 2),
        ("UPDATE ledger_entries SET entry = x'7b7d' WHERE \"index\" = 3", 1),
        ("UPDATE ledger_entries SET entry = '{}' WHERE \"index\" = 3", 2),
        ("DELETE FROM ledger_checkpoints", 2),
    ],
)
def test_a_damaged_ledger_proves_nothing(state, sql, code):
    """`prove` says NOT PROVEN or what is lacking; it does not fail in another way."""
    folder, engine = state
    with engine.begin() as connection:
        connection.execute(text(sql))
    result = run("prove", 3, "--dir", folder)
    assert result.exit_code == code
    assert result.exception is None or isinstance(result.exception, SystemExit)


def test_a_ledger_verifies_while_it_grows(state):
    """Export and verification see one moment, whatever is appended meanwhile."""
    folder, engine = state
    ledger, stop = Ledger(), threading.Event()

    def grow():
        while not stop.is_set():
            with engine.begin() as connection:
                ledger.append(connection, {"kind": "k", "time": "t"})
            sign(engine, ledger, folder)

    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
    thread = threading.Thread(target=grow)
    thread.start()
    try:
        key = ["--key", folder / "identity" / "ledger.pub"]
        for number in range(5):
            out = folder / f"out{number}.jsonl"
            assert run("verify", folder).exit_code == 0
            assert run("verify", folder / "ledger", *key).exit_code == 0
            assert run("export", "--out", out, "--dir", folder).exit_code == 0
            assert run("verify", out, *key).exit_code == 0
    finally:
        stop.set()
        thread.join()


def test_every_entry_can_be_proven(state):
    """`prove` gives a proof that holds, and exit code 2 for an entry that is not there."""
    folder, _ = state
    for index in range(20):
        result = run("prove", index, "--json", "--dir", folder)
        assert json.loads(result.output)["verified"] is True
        (folder / "proof.json").write_text(result.output)
        key = ["--key", folder / "identity" / "ledger.pub"]
        assert run("verify", folder / "proof.json", *key).exit_code == 0
    assert run("prove", 20, "--dir", folder).exit_code == 2


def test_a_rollback_leaves_no_trace(state):
    """After a rollback and `forget`, the next entry takes the place of the lost one."""
    _, engine = state
    ledger = Ledger()
    with engine.connect() as connection:
        ledger.append(connection, {"kind": "lost", "time": "t"})
        connection.rollback()
    ledger.forget()
    with engine.begin() as connection:
        assert ledger.append(connection, {"kind": "kept", "time": "t"}) == 20


def test_the_verifier_stands_alone():
    """The verifier imports nothing of Lockgate and has at most 300 lines."""
    source = Path(verify.__file__).read_text("utf-8")
    assert "import lockgate" not in source
    assert "from lockgate" not in source
    assert len(source.splitlines()) <= 300
