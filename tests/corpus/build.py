"""Build the corpus: ``python tests/corpus/build.py --out DIR [--only NAME]...``.

Each producer has a folder in DIR: its dumps, its key files, and ``truth.json``. What stands
already is kept. ``--only`` takes shell patterns. Exit 1 where a producer failed.
"""

from __future__ import annotations

import argparse
import fnmatch
import functools
import json
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import processes
import synthetic
import variants
from keyfiles import KeyFiles
from keys import Key, generate
from producers import ALL, Live, Place, Producer
from truth import presences

_DUMPERS = {
    "core": processes.core,
    "hprof": processes.heap_dump,
    "heapsnapshot": processes.heap_snapshot,
}


def build(producer: Producer, out: Path, *, vary: bool = True) -> Path:
    """Make one producer's folder; its path."""
    folder = out / producer.name
    if (folder / "truth.json").exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    key = None if producer.kind == "none" else generate(producer.kind)
    with tempfile.TemporaryDirectory(prefix="lockgate-corpus-") as name:
        work = Path(name)
        files = KeyFiles(key, work) if key else None
        with producer.start(Place(work, files, out / ".built")) as live:
            dumps = _dump(producer, live, work)
            folder.mkdir(parents=True)
            for dump in dumps:
                shutil.move(dump, folder / dump.name)
    if vary and key is not None:
        for dump in sorted(folder.iterdir()):
            variants.write(dump, key)
    _record(folder, producer.library, producer.kind, key, live.ephemeral, synthetic=False)
    return folder


def _dump(producer: Producer, live: Live, work: Path) -> list[Path]:
    made = []
    for label, pid in live.pids.items():
        for form in producer.dumps:
            target = work / f"{label + '.' if label else ''}{form}"
            _DUMPERS[form](pid, target)
            made.append(target)
    return made


def build_synthetic(writer: synthetic.Writer, out: Path) -> Path:
    """Make the folder of one layout that no program here produces."""
    folder = out / writer.name
    if not (folder / "truth.json").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        key = generate(writer.kind)
        (folder / "layout").write_bytes(writer.write(key))
        _record(folder, writer.library, writer.kind, key, [], synthetic=True)
    return folder


def _record(
    folder: Path, library: str, kind: str, key: Key | None, ephemeral: list[str], *, synthetic: bool
) -> None:
    """Write ``truth.json``, and the public half as a registry."""
    rows = []
    for dump in sorted(folder.iterdir()):
        plain = variants.plain(dump)
        found = presences([key], plain) if key else []
        rows.append({"file": dump.name, "keys": [presence.to_json() for presence in found]})
        if plain != dump:
            plain.unlink()
    if key is not None and not key.is_symmetric:
        files = KeyFiles(key, folder)
        (folder / "registry.pem").write_bytes(Path(files.path("pub")).read_bytes())
        (folder / "key.pub").unlink()
        (folder / "secret.key").write_bytes(Path(files.path("pem")).read_bytes())
        (folder / "key.pem").unlink()
    elif key is not None:
        (folder / "secret.key").write_bytes(key.raw)
    record = {
        "library": library,
        "kind": kind,
        "synthetic": synthetic,
        "ephemeral": ephemeral,
        "dumps": rows,
    }
    (folder / "truth.json").write_text(json.dumps(record, indent=1))


def _row(folder: Path) -> str:
    record = json.loads((folder / "truth.json").read_text())
    lines = []
    for dump in record["dumps"]:
        size = (folder / dump["file"]).stat().st_size / 1e6
        keys = dump["keys"]
        parts = sorted({p for k in keys for p in k["places"]})
        state = "alone" if any(k["alone"] for k in keys) else (
            "registered" if any(k["registered"] for k in keys) else "-")  # fmt: skip
        lines.append(f"{folder.name:24} {dump['file']:28} {size:8.1f} MB {state:10} "
                     f"{' '.join(parts)[:150]}")  # fmt: skip
    return "\n".join(lines)


def _built(item: Producer | synthetic.Writer, out: Path, *, vary: bool) -> tuple[str, bool]:
    """The row of one folder and whether it could be built."""
    try:
        if isinstance(item, Producer):
            return _row(build(item, out, vary=vary)), True
        return _row(build_synthetic(item, out)), True
    except (processes.ProducerError, processes.MissingProgramError, OSError) as error:
        return f"{item.name:24} FAILED: {error}", False


def main() -> int:
    """Build what is asked for, and say what stands where."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", action="append", default=[], metavar="NAME")
    parser.add_argument("--no-variants", action="store_true")
    parser.add_argument("--jobs", type=int, default=1, help="producers at a time")
    wanted = parser.parse_args()
    wanted.out.mkdir(parents=True, exist_ok=True)
    items = [
        item
        for item in (*ALL, *synthetic.ALL)
        if not wanted.only or any(fnmatch.fnmatch(item.name, p) for p in wanted.only)
    ]
    if not items:
        parser.error("no producer has such a name")
    make = functools.partial(_built, out=wanted.out, vary=not wanted.no_variants)
    well = True
    with ThreadPoolExecutor(wanted.jobs) as pool:
        for row, done in pool.map(make, items):
            print(row, file=sys.stdout if done else sys.stderr, flush=True)
            well = well and done
    return int(not well)


if __name__ == "__main__":
    sys.exit(main())
