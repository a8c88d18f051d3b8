"""The offline verifier of a ledger: standard library and cryptography, nothing of Lockgate.

It shares no code with what writes the ledger, so that one fault cannot hide itself. It
detects a changed, removed, inserted or reordered entry; a ledger cut shorter than a signed
checkpoint; a checkpoint that was not signed by the key, or was removed from the store though it
was published; a stored inner node that does not follow from the entries; and, with a checkpoint
kept elsewhere, a ledger that was rewritten and signed again, or an older copy put in its place.
Entries after the newest checkpoint are counted: for them only their own hashes speak.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key


class UnreadableLedger(Exception):  # noqa: N818  (it says what it is)
    """There is no ledger or key to verify at the place named."""


@dataclass(frozen=True, slots=True)
class Record:
    """One stored entry; ``leaf_hash`` None where the source does not keep one."""

    index: int
    entry: bytes
    leaf_hash: bytes | None


@dataclass(frozen=True, slots=True)
class Node:
    """The root of a complete subtree of 2**level entries; subtrees are counted from 0."""

    level: int
    index: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What one signed note says."""

    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What verification showed. The ledger is whole exactly when ``problems`` is empty."""

    size: int
    covered: int
    root: str
    checkpoints: int
    problems: tuple[str, ...]


def load_key(path: Path) -> Ed25519PublicKey:
    """The Ed25519 public key of a PEM file.

    Raises:
        UnreadableLedger: there is none.
    """
    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError):
        raise UnreadableLedger(f"{path}: no readable public key") from None
    if not isinstance(key, Ed25519PublicKey):
        raise UnreadableLedger(f"{path}: not an Ed25519 public key")
    return key


def open_checkpoint(note: str, key: Ed25519PublicKey) -> Checkpoint | None:
    """What a signed note says (C2SP signed-note, tlog-checkpoint); None unless it is signed."""
    text, separator, signatures = note.partition("\n\n")
    lines = text.split("\n")
    if not separator or len(lines) != 3 or not re.fullmatch(r"0|[1-9][0-9]{0,18}", lines[1]):
        return None
    try:
        root = base64.b64decode(lines[2], validate=True)
    except binascii.Error:
        return None
    signed = any(_signed(text + "\n", lines[0], line, key) for line in signatures.splitlines())
    return Checkpoint(int(lines[1]), root) if signed and len(root) == 32 else None


def _signed(text: str, origin: str, line: str, key: Ed25519PublicKey) -> bool:
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != "\u2014" or parts[1] != origin:
        return False
    try:
        raw = base64.b64decode(parts[2], validate=True)
        public = key.public_bytes_raw()
        if raw[:4] != hashlib.sha256(origin.encode() + b"\n\x01" + public).digest()[:4]:
            return False
        key.verify(raw[4:], text.encode())
    except (binascii.Error, InvalidSignature):
        return False
    return True


class _Tree:
    """The roots of complete subtrees, largest first (RFC 6962, section 2.1)."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []

    def append(self, leaf: bytes) -> list[Node]:
        """The inner nodes that became complete."""
        carry, index = leaf, self.size
        complete: list[Node] = []
        while index & 1:
            carry = hashlib.sha256(b"\x01" + self._peaks.pop() + carry).digest()
            index >>= 1
            complete.append(Node(len(complete) + 1, index, carry))
        self._peaks.append(carry)
        self.size += 1
        return complete

    def root(self) -> bytes:
        if not self._peaks:
            return hashlib.sha256(b"").digest()
        result = self._peaks[-1]
        for left in reversed(self._peaks[:-1]):
            result = hashlib.sha256(b"\x01" + left + result).digest()
        return result


def verify(
    records: Iterator[Record],
    notes: Sequence[str],
    key: Ed25519PublicKey,
    holds: Callable[[Node], bool] = lambda _node: True,
) -> Outcome:
    """Compute everything again and compare it with every checkpoint.

    ``holds`` says whether the source keeps the same inner node.
    """
    problems: list[str] = []
    expected: dict[int, set[bytes]] = {}
    for number, note in enumerate(notes, 1):
        opened = open_checkpoint(note, key)
        if opened is None:
            problems.append(f"checkpoint {number} of {len(notes)} is not signed by this key")
        else:
            expected.setdefault(opened.size, set()).add(opened.root)
    if not notes:
        problems.append("there is no signed checkpoint, so a shorter ledger could not be told")
    tree = _Tree()
    _compare(tree, expected, problems)
    for record in records:
        problems.extend(_faults(record, tree.size))
        complete = tree.append(hashlib.sha256(b"\x00" + record.entry).digest())
        problems.extend(
            f"inner node {node.level}/{node.index} is not what the entries under it give"
            for node in complete
            if not holds(node)
        )
        _compare(tree, expected, problems)
    problems.extend(
        f"the ledger has {tree.size} entries, but {size} were signed for"
        for size in sorted(expected)
        if size > tree.size
    )
    covered = max((size for size in expected if size <= tree.size), default=0)
    return Outcome(tree.size, covered, tree.root().hex(), len(notes), tuple(problems))


def _compare(tree: _Tree, expected: dict[int, set[bytes]], problems: list[str]) -> None:
    if tree.size in expected and expected[tree.size] != {tree.root()}:
        problems.append(f"the first {tree.size} entries are not those that were signed for")


def _faults(record: Record, position: int) -> Iterator[str]:
    if record.index != position:
        yield f"entry {record.index} stands where entry {position} belongs"
    if record.leaf_hash not in {None, hashlib.sha256(b"\x00" + record.entry).digest()}:
        yield f"entry {record.index} does not have the hash it was stored with"
    if not _canonical(record.entry):
        yield f"entry {record.index} is not in canonical form"


def _canonical(entry: bytes) -> bool:
    try:
        value = json.loads(entry)
        again = json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and "v" in value and again == entry


def verify_path(path: Path, key: Ed25519PublicKey, kept: Sequence[str] = ()) -> Outcome:
    """Verify a state folder, an SQLite store or an export.

    ``kept`` are checkpoints from elsewhere. Raises UnreadableLedger: there is no ledger.
    """
    store = path / "controller.db" if path.is_dir() else path
    published = path / "ledger" / "checkpoint" if path.is_dir() else None
    try:
        with store.open("rb") as file:
            stored = file.read(16) == b"SQLite format 3\0"
        if stored:
            return _verify_store(store, published, kept, key)
        return verify(_exported(store), [*kept, *_exported_notes(store)], key)
    except (OSError, sqlite3.Error, UnicodeDecodeError) as error:
        raise UnreadableLedger(f"{store}: {error}") from None


def _verify_store(
    path: Path, published: Path | None, kept: Sequence[str], key: Ed25519PublicKey
) -> Outcome:
    uri = f"{path.resolve().as_uri()}?mode=ro"
    shown = _read_published(published)  # before the store: what is published is in the store
    with closing(sqlite3.connect(uri, uri=True)) as database:
        database.execute("BEGIN")
        rows = database.execute("SELECT note FROM ledger_checkpoints ORDER BY size")
        stored = [str(note) for (note,) in rows]
        entries = database.execute(
            'SELECT "index", entry, leaf_hash FROM ledger_entries ORDER BY "index"'
        )
        records = (Record(int(i), _raw(entry), _raw(leaf)) for i, entry, leaf in entries)
        outcome = verify(records, [*kept, *shown, *stored], key, partial(_keeps, database))
    missing = published is not None and bool(stored) and not shown
    lost = [note for note in shown if note not in stored]
    problems = (
        *outcome.problems,
        *(["the published checkpoint (ledger/checkpoint) is missing"] if missing else []),
        *(["the published checkpoint is not among those of the store"] if lost else []),
    )
    return replace(outcome, problems=problems)


def _read_published(published: Path | None) -> list[str]:
    if published is None or not published.exists():
        return []
    return [published.read_text("utf-8", "replace")]


def _keeps(database: sqlite3.Connection, node: Node) -> bool:
    query = 'SELECT hash FROM ledger_nodes WHERE level = ? AND "index" = ?'
    row = database.execute(query, (node.level, node.index)).fetchone()
    return row is not None and _raw(row[0]) == node.hash


def _raw(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


_NOTE_LINE = b'{"checkpoint":'


def _exported(path: Path) -> Iterator[Record]:
    with path.open("rb") as file:
        lines = (line.rstrip(b"\n") for line in file if not line.startswith(_NOTE_LINE))
        for index, line in enumerate(lines):
            yield Record(index, line, None)


def _exported_notes(path: Path) -> list[str]:
    notes = []
    with path.open("rb") as file:
        for line in file:
            if line.startswith(_NOTE_LINE):
                try:
                    notes.append(str(json.loads(line)["checkpoint"]))
                except ValueError:
                    notes.append("")
    return notes
