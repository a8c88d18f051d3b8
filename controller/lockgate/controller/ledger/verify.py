"""The offline verifier of a ledger: standard library and cryptography, nothing of Lockgate.

It reads C2SP tlog-tiles, an export or one proof, and shares no code with what writes them. It sees
a changed, removed, inserted or reordered entry; a ledger shorter than a checkpoint says; two
histories; a checkpoint not signed by the key or for another ledger; a stored hash that is not what
the entries give; with a checkpoint kept elsewhere, also a ledger rewritten and signed again, or put
back. An entry without bytes is `expired` only where a signed entry says so: its hash stands. For
entries after the newest checkpoint only their own hashes speak.
Alone: python verify.py KEY.pub FOLDER|FILE [CHECKPOINT]...
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache, partial, reduce
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

Node = tuple[int, int, bytes]  # level, index and root of a complete subtree of 2**level entries
_SIGNED = re.compile(
    rb'\{"checkpoint":("(?:[ !#-[\]-~]|\\n|\\u2014)*")(?:,"lines":([1-9]\d*))?\}\n'
)


class UnreadableLedger(Exception):  # noqa: N818  (it says what it is)
    """There is no ledger or key to verify at the place named."""


class Record(NamedTuple):
    """One stored entry; ``entry`` is empty where its bytes are gone, ``leaf_hash`` None if so."""

    number: int
    entry: bytes
    leaf_hash: bytes | None


class Outcome(NamedTuple):
    """What verification showed. The ledger is whole exactly when ``problems`` is empty."""

    size: int
    covered: int  # by signed checkpoints
    root: str
    checkpoints: int
    expired: int
    problems: tuple[str, ...]


def load_key(path: Path) -> Ed25519PublicKey:
    """The Ed25519 public key of a PEM file; UnreadableLedger when there is none."""
    with suppress(OSError, ValueError):
        key = load_pem_public_key(path.read_bytes())
        if isinstance(key, Ed25519PublicKey):
            return key
    raise UnreadableLedger(f"{path}: no readable Ed25519 public key")


def open_checkpoint(note: str, key: Ed25519PublicKey) -> tuple[int, bytes] | None:
    """Size and root that a signed note says (C2SP tlog-checkpoint); None unless it is signed."""
    text, _, signatures = note.partition("\n\n")
    form = r"([^\n]+)\n(0|[1-9][0-9]{0,18})\n([A-Za-z0-9+/]{43}=)\n\n(\u2014 [^ \n]+ [^ \n]+\n)+"
    if not (said := re.fullmatch(form, note)):
        return None
    signed = any(_signed(text + "\n", said[1], line, key) for line in signatures.split("\n"))
    return (int(said[2]), base64.b64decode(said[3])) if signed else None


def _signed(text: str, origin: str, line: str, key: Ed25519PublicKey) -> bool:
    parts = line.split(" ")
    with suppress(ValueError, InvalidSignature):
        raw = base64.b64decode(parts[-1], validate=True)
        key.verify(raw[4:], text.encode())
        named = _hash(origin.encode(), b"\n\x01", key.public_bytes_raw())[:4]
        return parts == ["\u2014", origin, base64.b64encode(raw).decode()] and raw[:4] == named
    return False


def _hash(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


class _Tree:
    """The roots of complete subtrees, largest first (RFC 6962, section 2.1)."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []

    def append(self, leaf: bytes) -> list[Node]:  # the nodes that became complete
        complete, index = [(0, self.size, leaf)], self.size
        while index & 1:
            index >>= 1
            leaf = _hash(b"\x01", self._peaks.pop(), leaf)
            complete.append((len(complete), index, leaf))
        self._peaks.append(leaf)
        self.size += 1
        return complete

    def root(self) -> bytes:
        return reduce(lambda r, left: _hash(b"\x01", left, r), self._peaks[::-1] or [_hash()])


def verify(
    records: Iterator[Record],
    notes: Sequence[str],
    key: Ed25519PublicKey,
    holds: Callable[[Node], bool] = lambda _node: True,
) -> Outcome:
    """Compute all again, compare with every checkpoint; ``holds``: the source has that node."""
    problems: list[str] = []
    expected: dict[int, set[bytes]] = {}
    for number, note in enumerate(notes, 1):
        opened = open_checkpoint(note, key)
        if opened is None or note.partition("\n")[0] != notes[0].partition("\n")[0]:
            problems.append(f"checkpoint {number} of {len(notes)} is not signed by this key")
        else:
            expected.setdefault(opened[0], set()).add(opened[1])
    if not notes:
        problems.append("there is no signed checkpoint, so a shorter ledger could not be told")
    tree, gone, said = _Tree(), set[int](), list[tuple[int, int]]()
    signed_for, roots = max(expected, default=0), {0: tree.root()}
    for record in records:
        problems.extend(_faults(record, tree.size))
        gone.update(() if record.entry else (tree.size,))
        said.extend(_expiries(record) if record.number < signed_for else ())
        leaf = _hash(b"\x00", record.entry) if record.entry else record.leaf_hash or bytes(32)
        wrong = "is not what the entries under it give"
        problems.extend(f"node {n[0]}/{n[1]} {wrong}" for n in tree.append(leaf) if not holds(n))
        roots.update({tree.size: tree.root()} if tree.size in expected else {})
    forks = (n for n, root in roots.items() if expected.get(n, {root}) != {root})
    problems.extend(f"the first {n} entries are not those that were signed for" for n in forks)
    tampered = gone.difference(*(range(first, last + 1) for first, last in said))
    lost = "is missing, and no signed entry says that it has expired"
    problems.extend(f"entry {number} {lost}" for number in sorted(tampered))
    short = f"the ledger has {tree.size} entries, but"
    problems.extend(f"{short} {n} were signed for" for n in sorted(expected) if n > tree.size)
    covered = max((size for size in expected if size <= tree.size), default=0)
    expired = len(gone) - len(tampered)
    return Outcome(tree.size, covered, tree.root().hex(), len(notes), expired, tuple(problems))


def _faults(record: Record, position: int) -> Iterator[str]:
    if record.number != position:
        yield f"entry {record.number} stands where entry {position} belongs"
    if record.entry and record.leaf_hash not in {None, _hash(b"\x00", record.entry)}:
        yield f"entry {record.number} does not have the hash it was stored with"
    if record.entry and _parsed(record.entry) is None:
        yield f"entry {record.number} is not in canonical form"


def _parsed(entry: bytes) -> dict[str, object] | None:
    with suppress(ValueError, RecursionError):
        value = json.loads(entry)
        again = json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")
        return value if isinstance(value, dict) and "v" in value and again == entry else None
    return None


def _expiries(record: Record) -> Iterator[tuple[int, int]]:
    """The ranges of earlier entries that an entry of kind ``expired`` lists."""
    entry: Any = _parsed(record.entry) if b'"kind":"expired"' in record.entry else None
    with suppress(ValueError, TypeError, KeyError):
        for first, last in entry["ranges"] if entry and entry["kind"] == "expired" else ():
            if 0 <= first <= last < record.number:
                yield first, last


def verify_path(path: Path, key: Ed25519PublicKey, kept: Sequence[str] = ()) -> Outcome:
    """Verify tiles, an export or a proof; ``kept``: checkpoints. Raises UnreadableLedger."""
    try:
        if path.is_dir():
            return _verify_tiles(path, kept, key)
        with path.open("rb") as file:
            first = file.readline().rstrip(b"\n")
        if first.startswith(b'{"checkpoint":') and b',"proof":[' in first:
            return _verify_proof(json.loads(first), kept, key)
        return _verify_export(path, kept, key)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UnreadableLedger(f"{path}: {error}") from None


def _verify_tiles(folder: Path, kept: Sequence[str], key: Ed25519PublicKey) -> Outcome:
    note = (folder / "checkpoint").read_text("utf-8", "replace")
    size, _ = open_checkpoint(note, key) or (0, b"")
    tile = lru_cache(16)(partial(_tile, folder, size))
    records = (record for number in range(-(-size // 256)) for record in _bundle(tile, number))
    outcome = verify(records, [*kept, note], key, partial(_in_tile, tile))
    return outcome._replace(problems=(*outcome.problems, *_odd_partials(folder, tile)))


def _odd_partials(folder: Path, tile: Callable[[str, int], bytes]) -> Iterator[str]:
    """What is wrong with partial tiles of other widths."""
    for file in (folder / "tile").rglob("*.p/[1-9]*"):
        kind, *numbers = file.parent.relative_to(folder / "tile").parts
        with suppress(FileNotFoundError):  # the controller clears old ones away
            held = file.read_bytes()
            sure = tile(kind, int("".join(re.findall(r"[0-9]{3}", "/".join(numbers)))))
            width = len(_entries(held)) if kind == "entries" else len(held) / 32
            if width != int(file.name) or not (held.startswith(sure) or sure.startswith(held)):
                yield f"{file.relative_to(folder)} is not of this ledger"


def _tile(folder: Path, size: int, kind: str, number: int) -> bytes:
    """A tile (``kind`` is its level) or bundle of a tree of ``size``; empty when it is gone."""
    level = 0 if kind == "entries" else int(kind)
    width = min((size >> 8 * level) - number * 256, 256)
    name = f"{number % 1000:03}" + (f".p/{width}" if width < 256 else "")
    while number := number // 1000:
        name = f"x{number % 1000:03}/{name}"
    file = folder / "tile" / kind / name
    content = file.read_bytes() if file.is_file() else b""
    return content if kind == "entries" or len(content) == 32 * width else b""


def _in_tile(tile: Callable[[str, int], bytes], node: Node) -> bool:
    level, index, value = node  # tiles hold every eighth level
    return level % 8 > 0 or tile(str(level // 8), index // 256)[32 * (index % 256) :][:32] == value


def _entries(bundle: bytes) -> list[bytes]:
    found, place = list[bytes](), 0
    while place < len(bundle):
        start, place = place + 2, place + 2 + int.from_bytes(bundle[place : place + 2])
        found.append(bundle[start:place])
    return found if place == len(bundle) else []


def _bundle(tile: Callable[[str, int], bytes], number: int) -> Iterator[Record]:
    entries, hashes = _entries(tile("entries", number)), tile("0", number)
    whole = len(entries) * 32 == len(hashes)
    for at in range(len(hashes) // 32):
        yield Record(number * 256 + at, entries[at] if whole else b"", hashes[32 * at :][:32])


def _verify_proof(proof: dict[str, Any], kept: Sequence[str], key: Ed25519PublicKey) -> Outcome:
    index, entry = int(proof["index"]), str(proof["entry"]).encode()
    leaf = _hash(b"\x00", entry) if entry else bytes.fromhex(proof["leaf"])
    path = [base64.b64decode(node, validate=True) for node in proof["proof"]]
    size, root = open_checkpoint(str(proof["checkpoint"]), key) or (0, b"")
    held = 0 <= index < size and _rooted(leaf, index, size, path) == root
    held &= (proof["leaf"], proof["root"], proof["size"]) == (leaf.hex(), root.hex(), size)
    problems = [] if held else [f"entry {index} is not under a checkpoint signed by this key"]
    others = [open_checkpoint(note, key) for note in kept]
    if any(not other or (other[0] == size and other[1] != root) for other in others):
        problems.append("a checkpoint kept elsewhere is not signed, or of another history")
    return Outcome(size, size, root.hex(), 1 + len(kept), 0, tuple(problems))


def _rooted(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """The root that an audit path leads to (RFC 6962, section 2.1.1); empty: to none."""
    if size == 1 or not path:
        return leaf if size == 1 and not path else b""
    left = 1 << (size - 1).bit_length() - 1
    if index < left:
        return _hash(b"\x01", _rooted(leaf, index, left, path[:-1]), path[-1])
    return _hash(b"\x01", path[-1], _rooted(leaf, index - left, size - left, path[:-1]))


def _verify_export(path: Path, kept: Sequence[str], key: Ed25519PublicKey) -> Outcome:
    with path.open("rb") as file:
        signed = [_SIGNED.fullmatch(line) for line in file if line.startswith(b'{"checkpoint":')]
        file.seek(0)
        lines = (line.rstrip(b"\n") for line in file if not line.startswith(b'{"checkpoint":'))
        notes = [*kept, *(json.loads(found[1]) if found else "" for found in signed)]
        outcome = verify(map(_exported, count(), lines), notes, key)
    total = int(signed[-1][2] or 0) if signed and signed[-1] else 0
    cut = ("the export has been cut",) * (total != outcome.size + len(signed) - 1)
    return outcome._replace(problems=outcome.problems + cut)


def _exported(number: int, line: bytes) -> Record:
    if gone := re.fullmatch(rb'\{"expired":"([0-9a-f]{64})"\}', line):
        return Record(number, b"", bytes.fromhex(gone[1].decode()))
    return Record(number, line, None)


def main() -> None:
    """Verify what the command line names; exit code 0 whole, 1 not, 2 unreadable."""
    try:
        key, path, *kept = map(Path, sys.argv[1:])
        outcome = verify_path(path, load_key(key), [f.read_text("utf-8", "replace") for f in kept])
    except (UnreadableLedger, OSError, ValueError) as error:
        sys.stderr.write(f"{__doc__}\n{error}\n")
        sys.exit(2)
    print(json.dumps(outcome._asdict(), indent=1))
    sys.exit(1 if outcome.problems else 0)


if __name__ == "__main__":
    main()
