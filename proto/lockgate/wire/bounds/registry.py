"""Bounds of the fields of ``registry.proto``."""

from __future__ import annotations

import re

from lockgate.wire.bounds.bound import FINGERPRINT, HEX, HEX_OR_EMPTY, SENTENCE, Bound

_FINGERPRINT_OR_EMPTY = Bound(FINGERPRINT.high, 0)
_DAY = Bound(10, 0, re.compile(r"(\d{4}-\d{2}-\d{2})?"))
_TEXTS = Bound(SENTENCE.high, items=100)
#: Keys in one answer, and bytes of one part of a registry file.
MOST_KEYS = 1000
PART_BYTES = 1 << 20

BOUNDS = {
    "RegisteredKey.name": Bound(4096, 1),
    "RegisteredKey.fingerprint": FINGERPRINT,
    "RegisteredKey.algorithm": SENTENCE,
    "RegisteredKey.spki": Bound(16 * 1024),
    "RegisteredKey.owner": SENTENCE,
    "RegisteredKey.zones": _TEXTS,
    "RegisteredKey.signs": SENTENCE,
    "RegisteredKey.made_on": _DAY,
    "RegisteredKey.on_leak": SENTENCE,
    "RegisteredKey.hooks": _TEXTS,
    "RegisteredKey.change_id": Bound(36),
    "ListKeysRequest.fingerprint": _FINGERPRINT_OR_EMPTY,
    "ListKeysResponse.keys": Bound(items=MOST_KEYS),
    "FetchRegistryRequest.digest": HEX_OR_EMPTY,
    "FetchRegistryResponse.digest": HEX,
    "FetchRegistryResponse.content": Bound(PART_BYTES),
}
