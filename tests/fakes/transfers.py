"""A transfer, a report and a receipt to talk about."""

from __future__ import annotations

from datetime import UTC, datetime

from lockgate.scan.report import EngineInfo, Report
from lockgate.wire.ids import uuid7
from lockgate.wire.transfer import (
    Boundary,
    Decision,
    Enforcement,
    FileIdentity,
    Opener,
    Receipt,
    Transfer,
    Zone,
)

ENGINE = EngineInfo("test", "test", "standard", ("marker",))


def a_transfer(path: str = "/zone/file", inode: int = 7) -> Transfer:
    """A guarded open."""
    identity = FileIdentity(1, inode, 5, 1, 1)
    opener = Opener(pid=9, uid=1000, executable="/usr/bin/cat")
    return Transfer(
        uuid7(), Zone("z"), "host", Boundary.OPEN, path, identity, opener, datetime.now(UTC)
    )


def a_report(path: str = "/zone/file") -> Report:
    """A clean report."""
    return Report(path, "0" * 64, 5, (), (), 5, 0.0, ENGINE)


def a_receipt(transfer: Transfer, decision: Decision, errno_value: int = 0) -> Receipt:
    """What was done about ``transfer``."""
    done = Enforcement.DENIED if errno_value else Enforcement.ALLOWED
    return Receipt(
        transfer.transfer_id,
        decision.verdict,
        done,
        decision.hold_reason,
        errno_value,
        datetime.now(UTC),
        transfer.path,
        transfer.opener,
    )
