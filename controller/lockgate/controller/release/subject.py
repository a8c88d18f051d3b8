"""What a release speaks of: from the rows of a verdict, or from a verdict being made.

Rules enforced here: the digest of a report covers all that it says but how long the scan took, as
the controller sees it with its own registry, so that a key that becomes protected changes it.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from sqlalchemy import Row

from lockgate.controller.clock import from_micros
from lockgate.controller.release.machine import Subject, login_of
from lockgate.scan.report import Report
from lockgate.v1 import report_pb2
from lockgate.wire import convert
from lockgate.wire.transfer import Boundary, FileIdentity, Opener, Transfer, Zone


def report_digest(report: Report) -> str:
    """SHA-256 of the report's message without its duration, hex."""
    message = convert.report_to_wire(report)
    message.seconds = 0.0
    return hashlib.sha256(message.SerializeToString(deterministic=True)).hexdigest()


def subject_of(report: Report, transfer: Transfer) -> Subject | None:
    """What a release of this transfer would speak of; None when its bytes are not known."""
    if report.sha256 is None:
        return None
    where = (transfer.host, transfer.zone.name)
    return Subject(report.sha256, report_digest(report), report.engine.rule_pack, *where)


def logins(opener: Opener | None) -> frozenset[str]:
    """The names behind a process, as they are compared."""
    if opener is None:
        return frozenset()
    return frozenset(login_of(name) for name in (opener.user, opener.login_user) if name)


def report_of(row: Row[Any]) -> Report:
    """The report of a row of verdicts, as the agent sent it."""
    message = report_pb2.Report.FromString(row.report)
    return convert.report_from_wire(message, row.path or "")


def transfer_of(row: Row[Any]) -> Transfer:
    """The transfer of a row of verdicts; without path and opener once they were erased."""
    return Transfer(
        transfer_id=row.transfer_id,
        zone=Zone(row.zone, row.zone_signing),
        host=row.host,
        boundary=Boundary(row.boundary),
        path=row.path or "",
        identity=FileIdentity(**json.loads(row.identity)),
        opener=opener_of(row.opener),
        attempt_time=from_micros(row.attempted_at),
    )


def opener_of(text: str | None) -> Opener | None:
    """The opener that a row keeps as JSON."""
    if text is None:
        return None
    read = json.loads(text)
    return Opener(**{**read, "parents": tuple(read["parents"])})
