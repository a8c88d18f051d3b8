"""Putting a quarantined file back, beside a running agent.

Rules enforced here:

1. Putting back allows nothing: the file is judged again at its next open.
2. It is recorded, durably, before anything says that it was done.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from lockgate.agent.guard.opener import read_opener
from lockgate.agent.guard.zones import open_zone
from lockgate.agent.notes import note_receipt
from lockgate.agent.quarantine.store import Quarantine
from lockgate.wire.transfer import Receipt, Zone


def restore(
    state_dir: Path, run_dir: Path, zone: Path, quarantine_id: str, target: Path | None
) -> Receipt:
    """Put a file back into ``zone``; see :meth:`Quarantine.restore`.

    Raises:
        ZoneError, QuarantineError, OSError: it could not be put back, or not be recorded.
    """
    guarded = open_zone(Zone(zone.name), zone, [state_dir])
    try:
        done = Quarantine(state_dir, [guarded]).restore(quarantine_id, target)
    finally:
        guarded.close()
    caller = read_opener(os.getpid())
    receipt = replace(done, opener=caller, detail=f"put back by user {os.getuid()}")
    note_receipt(state_dir, run_dir, receipt)
    return receipt
