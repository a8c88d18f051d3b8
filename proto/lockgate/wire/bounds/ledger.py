"""Bounds of the fields of ``ledger.proto``."""

from __future__ import annotations

import re

from lockgate.wire.bounds.bound import HEX_OR_EMPTY, Bound
from lockgate.wire.convert.values import NAME_TEXT

_NAME_OR_EMPTY = Bound(NAME_TEXT)
_UUID_OR_EMPTY = Bound(36, 0, re.compile(r"([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})?"))
_FINGERPRINT = r"(hmac-sha256|blob-sha256|sha256):[0-9a-f]{64}"
_FINGERPRINT_OR_EMPTY = Bound(80, 0, re.compile(f"({_FINGERPRINT})?"))
_KIND = Bound(64, 0, re.compile(r"[a-z0-9-]*"))
#: Entries of one page, and hosts times days of one answer.
MOST_ENTRIES = 1000
MOST_HOSTS = 10_000
MOST_HOST_DAYS = 50_000
MOST_HOLDS = 10_000
#: An answer is smaller than the largest message.
_ANSWER = Bound(4_000_000)

BOUNDS = {
    "SearchLedgerRequest.host": _NAME_OR_EMPTY,
    "SearchLedgerRequest.zone": _NAME_OR_EMPTY,
    "SearchLedgerRequest.kind": _KIND,
    "SearchLedgerRequest.transfer_id": _UUID_OR_EMPTY,
    "SearchLedgerRequest.fingerprint": _FINGERPRINT_OR_EMPTY,
    "SearchLedgerRequest.sha256": HEX_OR_EMPTY,
    "SearchLedgerRequest.person_id": _UUID_OR_EMPTY,
    "LedgerEntry.entry": Bound(0xFFFF),
    "LedgerEntry.leaf_hash": Bound(32, 32),
    "LedgerEntry.kind": Bound(64),
    "LedgerEntry.host": _NAME_OR_EMPTY,
    "LedgerEntry.zone": _NAME_OR_EMPTY,
    "LedgerEntry.transfer_id": Bound(36),
    "LedgerEntry.person_id": Bound(36),
    "SearchLedgerResponse.entries": Bound(items=MOST_ENTRIES),
    "GetKeyHistoryRequest.key": Bound(NAME_TEXT, 1),
    "GetKeyHistoryResponse.answer": _ANSWER,
    "GetCoverageRequest.hosts": Bound(NAME_TEXT, 1, items=MOST_HOSTS),
    "HostDay.host": _NAME_OR_EMPTY,
    "HostDay.date": Bound(10, 10),
    "GetCoverageResponse.days": Bound(items=MOST_HOST_DAYS),
    "ProveEntryResponse.proof": _ANSWER,
    "RetentionPeriod.kept_class": Bound(16, 1),
    "LegalHold.subject": Bound(16, 1),
    "LegalHold.value": Bound(NAME_TEXT, 1),
    "LegalHold.change_id": Bound(36),
    "GetRetentionResponse.periods": Bound(items=32),
    "GetRetentionResponse.holds": Bound(items=MOST_HOLDS),
}
