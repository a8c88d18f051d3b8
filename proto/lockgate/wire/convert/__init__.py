"""Domain types to messages and back; the only place that knows both.

Rules enforced here:

1. Nothing from the wire is trusted to be known. An unknown or UNSPECIFIED value becomes the
   strictest known one, never a milder one: a verdict becomes HOLD ``unknown-value``, a finding
   class ``private`` together with a gap, a gap reason ``undecided``, an enforcement
   ``not-enforced``, a guard change or state ``blind``, a command's outcome ``failed``. A proof
   that is not known is left out: proofs explain a finding and cannot weaken it.
2. A report's outcome is computed again from its findings and gaps. A message that claims
   another outcome, names no search, has a finding without a place or a protected key of
   another class, or counts gaps where none is listed gets a gap, so that it is never ``clean``.
3. Long lists are cut at the bounds of the messages; the true counts stand in
   ``occurrence_count`` and ``gap_count``. Findings are cut last and from the mild end, and
   then the report has a gap.
4. Text is escaped again on arrival and cut to its bound in UTF-8 bytes.
5. The only exception is :class:`WireError`: the message lacks what no default can stand for.
"""

from lockgate.wire.convert.agent import (
    capabilities_from_wire,
    capabilities_to_wire,
    command_from_wire,
    command_receipt_from_wire,
    command_receipt_to_wire,
    command_to_wire,
    health_from_wire,
    health_to_wire,
    offer_kind_from_wire,
    offer_kind_to_wire,
)
from lockgate.wire.convert.report import report_from_wire, report_to_wire
from lockgate.wire.convert.transfer import (
    decision_from_wire,
    decision_to_wire,
    guard_change_from_wire,
    guard_change_to_wire,
    receipt_from_wire,
    receipt_to_wire,
    transfer_from_wire,
    transfer_to_wire,
    zone_from_wire,
    zone_to_wire,
)
from lockgate.wire.convert.values import WireError

__all__ = [
    "WireError",
    "capabilities_from_wire",
    "capabilities_to_wire",
    "command_from_wire",
    "command_receipt_from_wire",
    "command_receipt_to_wire",
    "command_to_wire",
    "decision_from_wire",
    "decision_to_wire",
    "guard_change_from_wire",
    "guard_change_to_wire",
    "health_from_wire",
    "health_to_wire",
    "offer_kind_from_wire",
    "offer_kind_to_wire",
    "receipt_from_wire",
    "receipt_to_wire",
    "report_from_wire",
    "report_to_wire",
    "transfer_from_wire",
    "transfer_to_wire",
    "zone_from_wire",
    "zone_to_wire",
]
