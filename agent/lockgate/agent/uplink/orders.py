"""Commands of the controller: done once, and receipted until the receipt is acknowledged.

Rules enforced here:

1. A receipt is on disk before it is said, and until it was acknowledged; a command that comes
   again gets the same receipt and nothing is done.
2. What this agent cannot do, what is past its end and what goes wrong is a receipt too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

from lockgate.agent.durable import write_durably
from lockgate.scan.names import escape_name
from lockgate.wire.agent import (
    NEEDS,
    Action,
    Capability,
    Command,
    CommandOutcome,
    CommandReceipt,
)
from lockgate.wire.convert.values import SENTENCE_TEXT

#: What the agent does when it is told to, by action; what it gives is the receipt's detail.
Deeds: TypeAlias = Mapping[type[Action], Callable[[Any], str]]


class OrderError(Exception):
    """A command that cannot be carried out; the text is the receipt's detail."""


class Orders:
    """The commands of one agent. Used by one thread."""

    def __init__(self, folder: Path, deeds: Deeds) -> None:
        self._folder = folder
        self._deeds = deeds
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What this agent can do."""
        return frozenset(NEEDS[action] for action in self._deeds)

    def receipts(self) -> list[CommandReceipt]:
        """Those that nobody has acknowledged, oldest command first."""
        found = (self._read(path) for path in sorted(self._folder.glob("*.json")))
        return [receipt for receipt in found if receipt is not None]

    def carry_out(self, command: Command) -> CommandReceipt:
        """Do what was told, unless that was done already; the durable receipt.

        Raises:
            OSError: the receipt could not be kept.
        """
        known = self._read(self._path(command.command_id))
        if known is not None:
            return known
        outcome, detail = self._do(command)
        return self.settle(command.command_id, outcome, detail)

    def settle(self, command_id: str, outcome: CommandOutcome, detail: str) -> CommandReceipt:
        """Keep what became of a command.

        Raises:
            OSError: it could not be kept.
        """
        receipt = CommandReceipt(command_id, outcome, datetime.now(UTC), detail[:SENTENCE_TEXT])
        record = {
            "outcome": outcome.value,
            "finish_time": receipt.finish_time.isoformat(),
            "detail": receipt.detail,
        }
        write_durably(self._path(command_id), record)
        return receipt

    def acknowledged(self, command_id: str) -> None:
        """The controller has the receipt."""
        self._path(command_id).unlink(missing_ok=True)

    def _do(self, command: Command) -> tuple[CommandOutcome, str]:
        if datetime.now(UTC) >= command.expire_time:
            return CommandOutcome.EXPIRED, ""
        deed = self._deeds.get(type(command.action))
        if deed is None:
            return CommandOutcome.UNSUPPORTED, ""
        try:
            return CommandOutcome.DONE, deed(command.action)
        except OrderError as error:
            return CommandOutcome.FAILED, str(error)
        except OSError as error:
            return CommandOutcome.FAILED, escape_name(error.strerror or "the kernel refused")
        except Exception as error:  # noqa: BLE001 - rule 2: the sender hears of every failure
            return CommandOutcome.FAILED, f"the agent failed: {type(error).__name__}"

    def _path(self, command_id: str) -> Path:
        return self._folder / f"{command_id}.json"

    @staticmethod
    def _read(path: Path) -> CommandReceipt | None:
        try:
            record = json.loads(path.read_text("ascii"))
            return CommandReceipt(
                command_id=path.stem,
                outcome=CommandOutcome(record["outcome"]),
                finish_time=datetime.fromisoformat(record["finish_time"]),
                detail=str(record["detail"]),
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None
