"""Bounds of the fields of ``passport.proto``."""

from __future__ import annotations

import re

from lockgate.wire.bounds.bound import SENTENCE, UUID, Bound
from lockgate.wire.convert.values import NAME_TEXT
from lockgate.wire.dsse import LONGEST

_UUID_OR_EMPTY = Bound(36, 0, re.compile(r"([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})?"))

BOUNDS = {
    "RevokePassportsRequest.request_id": UUID,
    "RevokePassportsRequest.transfer_id": _UUID_OR_EMPTY,
    "RevokePassportsRequest.host": Bound(NAME_TEXT),
    "RevokePassportsRequest.zone": Bound(NAME_TEXT),
    "RevokePassportsRequest.reason": Bound(SENTENCE.high, 1),
    "GetRevocationListResponse.envelope": Bound(LONGEST),
}
