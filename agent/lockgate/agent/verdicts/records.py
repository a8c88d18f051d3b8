"""What happened beside the agent (a disarm, a restore) is reported, by whoever comes first.

Rules enforced here:

1. A record on disk is removed only when the report of it is durable: in the spool, or in the
   journal of an agent without a controller.
2. A disarm is reported by the command that disarms, since the agent has ended or hangs.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lockgate.agent.config import AgentSettings, ControllerSettings
from lockgate.agent.durable import write_durably
from lockgate.agent.notes import notes_in, receipt_of
from lockgate.agent.uplink.client import ControllerDecider
from lockgate.agent.verdicts.deciders import AnyDecider, decider_of
from lockgate.wire.transfer import GuardChange, Zone

_ARMED = "armed.json"
_SETTLE_S = 10.0
_DELIVERY_S = 5.0


def keep_armed(settings: AgentSettings, decider: AnyDecider, zones: Sequence[Zone]) -> None:
    """Write down what is guarded and who decides, for the command that takes it off."""
    facts = {
        "local": not isinstance(decider, ControllerDecider),
        "address": settings.controller.address,
        "enrolment_address": settings.controller.enrolment_address,
        "zones": [{"name": zone.name, "signing": zone.signing} for zone in zones],
    }
    write_durably(settings.state_dir / _ARMED, facts)


def report_records(state_dir: Path, decider: AnyDecider, zones: Sequence[Zone]) -> int:
    """Report every record on disk, then remove it; how many were reported."""
    reported = []
    for path in notes_in(state_dir):
        try:
            record = json.loads(path.read_bytes())
        except (OSError, ValueError):
            record = {"unreadable": path.name}
        _report(record, decider, zones)
        reported.append(path)
    if not reported or not decider.settle(_SETTLE_S):
        return 0
    for path in reported:
        path.unlink(missing_ok=True)
    return len(reported)


def report_disarm(state_dir: Path) -> bool:
    """Report what a disarm left, without an agent; True when the decider has heard it all.

    Raises:
        CredentialsError, PolicyError, OSError: not now; the next agent reports it.
    """
    try:
        facts = json.loads((state_dir / _ARMED).read_bytes())
        zones = [Zone(zone["name"], signing=zone["signing"]) for zone in facts["zones"]]
    except (OSError, ValueError, KeyError):
        return False
    chosen = ControllerSettings(facts["address"], facts["enrolment_address"])
    settings = AgentSettings(state_dir=state_dir, controller=chosen)
    decider = decider_of(settings, local=facts["local"])
    try:
        report_records(state_dir, decider, zones)
        return _delivered(decider)
    finally:
        decider.close()


def _delivered(decider: AnyDecider) -> bool:
    if not isinstance(decider, ControllerDecider):
        return True
    end = time.monotonic() + _DELIVERY_S
    while decider.waiting and time.monotonic() < end:
        time.sleep(0.05)
    return not decider.waiting


def _report(record: dict[str, Any], decider: AnyDecider, zones: Sequence[Zone]) -> None:
    with contextlib.suppress(KeyError, ValueError, TypeError):  # then it is told as it is
        receipt = receipt_of(record)
        if receipt is not None:
            decider.record(receipt)
            return
    detail = ", ".join(f"{name} {value}" for name, value in sorted(record.items()))
    for zone in zones:
        decider.guard_changed(zone, _change_of(record), detail)


def _change_of(record: dict[str, Any]) -> GuardChange:
    """What a record tells; one that cannot be read may be a disarm."""
    with contextlib.suppress(ValueError):
        return GuardChange(record.get("change", ""))
    return GuardChange.DISARMED
