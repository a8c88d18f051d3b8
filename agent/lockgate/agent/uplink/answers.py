"""What an answer of the controller means.

Rules enforced here:

1. What cannot be understood is a HOLD (the failure rule).
2. A refusal that asking again cannot change ends a question before its deadline.
3. A controller that has too much to do says when to come back, and is left alone until then;
   what waits for it is held, never let through.
"""

from __future__ import annotations

from typing import Any

import grpc

from lockgate.v1 import decision_pb2 as pb
from lockgate.wire import convert
from lockgate.wire.transfer import Decision, HoldReason, hold

#: The controller will never take these; saying them again would change nothing.
REFUSED = frozenset({grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.ALREADY_EXISTS})
#: Statuses and reasons (RESOURCE_EXHAUSTED has several) that asking again soon will not change.
_PROMPT_HOLDS = {
    grpc.StatusCode.UNAUTHENTICATED: HoldReason.CERTIFICATE,
    grpc.StatusCode.PERMISSION_DENIED: HoldReason.CERTIFICATE,
}
_REASON_KEY = "lockgate-reason"
_RETRY_KEY = "lockgate-retry-after-ms"
_OVERLOAD = "overload"
#: What a controller may ask for at most, in seconds.
_LONGEST_RETRY_S = 60.0
_PROMPT_HOLDS_BY_REASON = {"store-full": HoldReason.STORE_FULL}


def reason_of(call: Any) -> str:
    """The controller's word for a refusal; empty when it said none."""
    return str(dict(call.trailing_metadata() or ()).get(_REASON_KEY, ""))


def prompt_hold(call: Any) -> HoldReason | None:
    """Why a refused question need not be asked again before its deadline; None: it may help."""
    return _PROMPT_HOLDS_BY_REASON.get(reason_of(call)) or _PROMPT_HOLDS.get(call.code())


def late_hold(call: Any) -> HoldReason:
    """Why a question is held that was refused like this until its deadline."""
    overload = reason_of(call) == _OVERLOAD
    return HoldReason.OVERLOAD if overload else HoldReason.CONTROLLER_UNREACHABLE


def retry_after_s(call: Any) -> float:
    """For how many seconds the controller asks to be left alone; 0: it does not."""
    said = str(dict(call.trailing_metadata() or ()).get(_RETRY_KEY, ""))
    return min(int(said) / 1000, _LONGEST_RETRY_S) if said.isascii() and said.isdigit() else 0.0


def decision_of(response: pb.RequestVerdictResponse) -> Decision:
    """The decision in an answer; whatever cannot be understood is a HOLD."""
    try:
        return convert.decision_from_wire(response.decision)
    except ValueError:
        return hold(HoldReason.UNKNOWN_VALUE)
