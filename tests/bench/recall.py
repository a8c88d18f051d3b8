"""Recall: on how many files with a key each program says so, by kind of file.

Lockgate is credited only with the right key, by the fingerprint of its public half; its peers with
any private key in the file (see ``peers``). The dumps are those of ``tests/corpus`` whose truth
says that the key can be proven from the file alone; their truth is searched by brute force.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import peers

_TESTS = Path(__file__).parents[1]
_LOCKGATE = str(Path(sys.executable).with_name("lockgate"))


@dataclass(frozen=True, slots=True)
class Keyed:
    """A file and the fingerprints of the keys that it holds."""

    path: Path
    fingerprints: frozenset[str]


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of file: of ``files`` with a key, how many each program found."""

    kind: str
    files: int
    found: dict[str, int]


def run(folder: Path, corpus: Path | None = None) -> list[Row]:
    """Every kind of file, every program."""
    dumps = corpus or _build(folder / "corpus")
    kinds = {
        "cores of live processes": _dumps(dumps, folder / "cores", synthetic=False),
        "synthetic memory": _dumps(dumps, folder / "synthetic", synthetic=True),
        "keys as text, disguised": _disguises(folder / "disguises"),
    }
    return [_row(kind, files) for kind, files in kinds.items() if files]


def _row(kind: str, files: list[Keyed]) -> Row:
    folder = files[0].path.parent
    found = {"lockgate scan": _by_lockgate(files)}
    names = {file.path.name for file in files}
    for peer in peers.installed():
        said = {path.name for path in peer.files(folder)}
        found[peer.name] = len(said & names)
    return Row(kind, len(files), found)


def _by_lockgate(files: list[Keyed]) -> int:
    words = [_LOCKGATE, "scan", "--format", "json", *(str(file.path) for file in files)]
    shown = subprocess.run(words, capture_output=True, check=False).stdout
    reports = {r["path"]: r for r in map(json.loads, shown.splitlines())}
    return sum(
        bool({f["fingerprint"] for f in reports[str(file.path)]["findings"]} & file.fingerprints)
        for file in files
    )


def _build(folder: Path) -> Path:
    """The corpus of dumps, made anew."""
    program = _TESTS / "corpus" / "build.py"
    subprocess.run([sys.executable, program, "--out", folder], check=True, capture_output=True)
    return folder


def _dumps(corpus: Path, folder: Path, *, synthetic: bool) -> list[Keyed]:
    """The whole dumps whose key can be proven without a registry, linked into one folder."""
    folder.mkdir()
    found = []
    for truth in sorted(corpus.glob("*/truth.json")):
        record = json.loads(truth.read_text())
        if record["synthetic"] is not synthetic:
            continue
        dump = record["dumps"][0]  # the others are variants of it
        keys = frozenset(key["fingerprint"] for key in dump["keys"] if key["alone"])
        if keys:
            path = folder / truth.parent.name
            path.hardlink_to(truth.parent / dump["file"])
            found.append(Keyed(path, keys))
    return found


def _disguises(folder: Path) -> list[Keyed]:
    """A key of three kinds in every disguise of ``tests/formats/disguises.py``."""
    sys.path.insert(0, str(_TESTS / "formats"))
    from disguises import ARMOURED, BARE, ENCODED

    folder.mkdir()
    found = []
    for kind, (pem, body, fingerprint) in _keys():
        for name, disguise in {**ARMOURED, **ENCODED, **BARE}.items():
            path = folder / f"{kind}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
            path.write_bytes(b"# before\n" + disguise(pem, body) + b"\n# after\n")
            found.append(Keyed(path, frozenset({fingerprint})))
    return found


def _keys() -> Iterator[tuple[str, tuple[str, bytes, str]]]:
    from cryptography.hazmat.primitives import serialization as ser
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    made = {
        "rsa": rsa.generate_private_key(65537, 2048),
        "p256": ec.generate_private_key(ec.SECP256R1()),
        "ed25519": ed25519.Ed25519PrivateKey.generate(),
    }
    for kind, key in made.items():
        clear = ser.PrivateFormat.PKCS8, ser.NoEncryption()
        public = key.public_key().public_bytes(
            ser.Encoding.DER, ser.PublicFormat.SubjectPublicKeyInfo
        )
        pem = key.private_bytes(ser.Encoding.PEM, *clear).decode()
        body = key.private_bytes(ser.Encoding.DER, *clear)
        yield kind, (pem, body, f"sha256:{hashlib.sha256(public).hexdigest()}")


def main() -> None:
    """Print the table; an argument names a corpus that was built before."""
    corpus = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory(prefix="lockgate-recall-") as folder:
        for row in run(Path(folder), corpus):
            print(row.kind, row.files, row.found)


if __name__ == "__main__":
    main()
