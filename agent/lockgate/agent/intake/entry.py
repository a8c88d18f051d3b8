"""What is known of one dump: written by whoever takes it in, and by whoever judges it.

Rules enforced here:

1. An entry is one JSON file, written whole. A damaged one is skipped; its dump stays sealed.
2. What was decided stands in a file of its own: the intake writes entries, the agent writes
   judgements, and neither touches what the other wrote.
3. Nothing of a dump's content is in either: names, numbers and public fingerprints only.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from lockgate.agent.durable import write_durably
from lockgate.scan.words import Word
from lockgate.wire.transfer import Opener


class State(Word):
    """What became of a dump."""

    RECEIVING = "receiving", "The dump is coming in."
    SEALED = "sealed", "The dump lies whole, or as far as it came, where only root can read it."
    NOT_KEPT = "not-kept", "Only what is known of the crash was kept."
    ELSEWHERE = "elsewhere", "Another collector keeps the dump in a folder of its own."


class Why(Word):
    """Why a dump was not kept, or is not whole."""

    NOTHING = "", "Nothing is wrong."
    CRASH_LOOP = "crash-loop", "The same unit crashed in the same place too often in an hour."
    QUOTA = "quota", "The intake store holds as much as it may."
    BUSY = "busy", "Too many dumps were coming in at once."
    DISK = "disk", "The store's disk refused."
    NOT_A_CORE = "not-a-core", "What came is not an ELF core."
    TRUNCATED = "truncated", "The stream ended before the end that its own headers tell."
    TOO_LONG = "too-long", "The stream went on behind the end that its own headers tell."
    DEADLINE = "deadline", "The stream stood still or took too long, and the process was let go."
    DISCARDED = "discarded", "An operator removed the dump."
    INTAKE_ENDED = "intake-ended", "The intake ended while the dump was coming in."


@dataclass(frozen=True, slots=True)
class Crash:
    """The process that crashed. ``stack`` is the signature of the place, ``frames`` its names."""

    opener: Opener
    name: str = ""
    signal: int = 0
    thread: int = 0
    build_id: str = ""
    stack: str = ""
    frames: tuple[str, ...] = ()

    @property
    def unit(self) -> str:
        """What is restarted when it crashes: the systemd unit, else the control group."""
        return self.opener.unit or self.opener.cgroup or self.opener.executable


@dataclass(frozen=True, slots=True)
class Entry:
    """One dump. ``way``: socket, pipe or folder; ``path``: the dump of another collector.

    ``entry_id`` is the name of the transfer as well. ``size``: bytes of the dump;
    ``stored``: bytes on the disk, fewer where the dump has holes. ``time``: ISO 8601.
    """

    entry_id: str
    time: str
    way: str
    state: State
    crash: Crash
    why: Why = Why.NOTHING
    size: int = 0
    stored: int = 0
    sha256: str | None = None
    seconds: float = 0.0
    path: str = ""
    identity: tuple[int, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether all of the dump is there."""
        return self.state in {State.SEALED, State.ELSEWHERE} and self.why is Why.NOTHING

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`to_json`.

        Raises:
            KeyError, ValueError, TypeError: it is no entry.
        """
        crash = dict(record["crash"])
        opener = dict(crash["opener"])
        opener["parents"] = tuple(opener.get("parents", ()))
        known = {field.name for field in fields(Opener)}
        crash["opener"] = Opener(**{k: v for k, v in opener.items() if k in known})
        crash["frames"] = tuple(crash["frames"])
        whole = {
            **record,
            "crash": Crash(**crash),
            "state": State(record["state"]),
            "why": Why(record["why"]),
            "identity": tuple(record["identity"]),
        }
        return cls(**whole)

    def to_json(self) -> dict[str, Any]:
        """As it stands on disk."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was decided about a dump. ``findings``: class, algorithm and fingerprint of each."""

    entry_id: str
    time: str
    zone: str
    verdict: str
    hold_reason: str
    message: str
    outcome: str
    findings: tuple[dict[str, str], ...] = ()
    gaps: tuple[str, ...] = ()


def write_entry(folder: Path, entry: Entry) -> None:
    """Write an entry durably.

    Raises:
        OSError: the disk refused.
    """
    write_durably(folder / f"{entry.entry_id}.json", entry.to_json())


def note_entry(folder: Path, entry: Entry) -> None:
    """Write an entry whole but without fsync(2): a process waits for it.

    Raises:
        OSError: the disk refused.
    """
    fresh = folder / f".{entry.entry_id}"
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(entry.to_json()), "ascii")
    fresh.replace(folder / f"{entry.entry_id}.json")


def read_entries(folder: Path, but: Container[str] = ()) -> Iterator[Entry]:
    """The entries of a folder, oldest first, less those named; a damaged one is passed over."""
    for path in sorted(folder.glob("*.json")):
        entry = None if path.stem in but else read_entry(path)
        if entry is not None:
            yield entry


def read_entry(path: Path) -> Entry | None:
    """One entry; None: it is not there, or damaged."""
    try:
        return Entry.from_json(json.loads(path.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_judgement(folder: Path, judgement: Judgement) -> None:
    """Write a judgement durably.

    Raises:
        OSError: the disk refused.
    """
    write_durably(folder / f"{judgement.entry_id}.json", asdict(judgement))


def read_judgement(folder: Path, entry_id: str) -> Judgement | None:
    """What was decided about an entry; None: nothing yet."""
    try:
        record = json.loads((folder / f"{entry_id}.json").read_bytes())
        record["findings"] = tuple(record["findings"])
        record["gaps"] = tuple(record["gaps"])
        return Judgement(**record)
    except (OSError, ValueError, KeyError, TypeError):
        return None
