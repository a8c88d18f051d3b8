"""The side of a release that asks: open a file through the desk of this host's agent.

Rules enforced here:

1. A file is opened only while an agent is connected that has said it is ready, and by the
   rights of the user who asks.
2. A file that may be read where it is, is; of one that may not, the desk's copy is what is
   written. Whatever else happens, nothing is written.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lockgate.agent.control import Line, connect
from lockgate.wire.transfer import HoldReason, Verdict

#: Reasons of a moment: the same question later may be answered otherwise.
PASSING = frozenset(
    {
        HoldReason.AGENT_DOWN,
        HoldReason.CERTIFICATE,
        HoldReason.CHANGED,
        HoldReason.CONTROLLER_UNREACHABLE,
        HoldReason.DEADLINE,
        HoldReason.LIVE_WRITER,
        HoldReason.OVERLOAD,
        HoldReason.RULE_PACK,
        HoldReason.SPOOL_FULL,
        HoldReason.STORE_FULL,
        HoldReason.WORKER_LOST,
    }
)


class DeskLostError(Exception):
    """The agent has gone, or has no desk; the text says so."""


@dataclass(frozen=True, slots=True)
class Handed:
    """What came of one opening. ``fd`` is the caller's to close; -1: there is nothing to read.

    ``first`` and ``end`` bound what may be read there. ``direct``: it is the file itself.
    """

    fd: int
    first: int = 0
    end: int | None = None
    direct: bool = False
    verdict: Verdict = Verdict.ALLOW
    reason: HoldReason | None = None
    rule: str = ""
    message: str = ""
    sha256: str | None = None

    @property
    def passing(self) -> bool:
        """Whether the same question may be answered otherwise in a moment."""
        return self.verdict is Verdict.HOLD and self.reason in PASSING

    def close(self) -> None:
        """Let go of what was handed out."""
        if self.fd >= 0:
            os.close(self.fd)


class DeskLine:
    """A connection to the desk; its process and its main thread are known there."""

    def __init__(self, run_dir: Path, patience_s: float | None = None) -> None:
        """Connect, and be known.

        Raises:
            NoAgentError: no agent answers.
            DeskLostError: it has no desk, because it holds no opens.
        """
        self._line: Line = connect(run_dir)
        try:
            self._announce()
            self._line.wait_at_most(patience_s)
        except BaseException:
            self._line.close()
            raise

    def _announce(self) -> None:
        answer = self._exchange({"verb": "release"})
        if "ready" not in answer:
            why = answer.get("error", "no answer")
            raise DeskLostError(
                f"this agent hands out no copies, because it holds no opens ({why})"
            )

    def open(self, path: str | Path, *, parts: dict[str, Any] | None = None) -> Handed:
        """Open ``path`` and have it copied if it may not be read where it is.

        ``parts``: ``first``, ``settled`` and ``last`` of a growing file.

        Raises:
            OSError: the file cannot be opened, for another reason than the guard's.
            DeskLostError: the agent is gone.
        """
        self._exchange(parts or {})
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError as error:
            answer = self._exchange({"errno": error.errno})
            if not answer.get("taken"):
                raise
            return self._handed(answer)
        try:
            self._exchange({"errno": 0})
        except BaseException:
            os.close(fd)
            raise
        return Handed(fd, direct=True)

    def close(self) -> None:
        """Leave."""
        self._line.close()

    def _exchange(self, message: dict[str, Any]) -> dict[str, Any]:
        try:
            self._line.say(message)
            return self._line.hear()
        except (OSError, EOFError):
            raise DeskLostError("the agent ended while it was asked; try again") from None

    def _handed(self, answer: dict[str, Any]) -> Handed:
        fd = self._line.descriptor()
        verdict = Verdict(answer["verdict"])
        if verdict is not Verdict.ALLOW or fd is None:
            if fd is not None:
                os.close(fd)
            fd = -1
        return Handed(
            fd,
            int(answer.get("first", 0)),
            int(answer["end"]) if "end" in answer else None,
            verdict=verdict,
            reason=HoldReason(answer["reason"]) if answer["reason"] else None,
            rule=answer["rule"],
            message=answer["message"],
            sha256=answer["sha256"],
        )
