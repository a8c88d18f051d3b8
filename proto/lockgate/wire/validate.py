"""Bounds of every field that has a length, and the check of a message against them.

Rules enforced here:

1. Every string, bytes and repeated field of ``lockgate.v1`` has a bound in :data:`BOUNDS`; a
   test fails for a field without one, and an unlisted field is a violation here.
2. A violation names the field and the bound, never the value.
3. Checking costs no more than walking the message, and stops at the first hundred violations.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from lockgate.wire.convert.report import (
    MOST_FINDINGS,
    MOST_GAPS,
    MOST_OCCURRENCES,
    MOST_SEARCHES,
)
from lockgate.wire.convert.transfer import MOST_PARENTS, MOST_WARNINGS
from lockgate.wire.convert.values import (
    MEMBER_TEXT,
    NAME_TEXT,
    PATH_TEXT,
    SENTENCE_TEXT,
    SHORT_TEXT,
)

_MOST_REPORTED = 100


@dataclass(frozen=True, slots=True)
class Bound:
    """What a value must be: text or bytes of ``low`` to ``high`` bytes, in a form.

    ``items``: the most elements of a repeated field.
    """

    high: int = 0
    low: int = 0
    form: re.Pattern[str] | None = None
    items: int | None = None


_UUID = Bound(36, 36, re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"))
_HEX_OR_EMPTY = Bound(64, 0, re.compile(r"([0-9a-f]{64})?"))
_FINGERPRINT = Bound(80, 71, re.compile(r"(hmac-sha256|blob-sha256|sha256):[0-9a-f]{64}"))
_SHORT = Bound(SHORT_TEXT)
_NAME = Bound(NAME_TEXT, 1)
_MEMBER = Bound(MEMBER_TEXT)
_SENTENCE = Bound(SENTENCE_TEXT)
_PATH = Bound(PATH_TEXT)
_DER = Bound(16 * 1024, 1)
_CHAIN = Bound(64 * 1024)

#: Message and field -> bound.
BOUNDS: dict[str, Bound] = {
    "Occurrence.format": _SHORT,
    "Occurrence.member": _MEMBER,
    "Finding.algorithm": _SHORT,
    "Finding.fingerprint": _FINGERPRINT,
    "Finding.proofs": Bound(items=32),
    "Finding.occurrences": Bound(items=MOST_OCCURRENCES),
    "Finding.protected_name": _SHORT,
    "Gap.member": _MEMBER,
    "Gap.detail": _SENTENCE,
    "Engine.version": _SHORT,
    "Engine.rule_pack": _SHORT,
    "Engine.profile": _SHORT,
    "Engine.searches": Bound(SHORT_TEXT, items=MOST_SEARCHES),
    "Engine.salt": _SHORT,
    "Report.sha256": _HEX_OR_EMPTY,
    "Report.findings": Bound(items=MOST_FINDINGS),
    "Report.gaps": Bound(items=MOST_GAPS),
    "Zone.name": _NAME,
    "Opener.executable": _PATH,
    "Opener.command": _PATH,
    "Opener.cgroup": _PATH,
    "Opener.parents": Bound(PATH_TEXT, items=MOST_PARENTS),
    "Opener.user": _SHORT,
    "Opener.login_user": _SHORT,
    "Opener.unit": _SHORT,
    "Opener.container": _SHORT,
    "Opener.ssh_peer": _SHORT,
    "Transfer.transfer_id": _UUID,
    "Transfer.host": _NAME,
    "Transfer.path": _PATH,
    "Decision.rule": _SHORT,
    "Decision.message": _SENTENCE,
    "Decision.warnings": Bound(SENTENCE_TEXT, items=MOST_WARNINGS),
    "Decision.policy_digest": _HEX_OR_EMPTY,
    "Decision.wait_for": _SHORT,
    "Receipt.transfer_id": _UUID,
    "Receipt.quarantine_id": _SHORT,
    "Receipt.quarantine_path": _PATH,
    "Receipt.detail": _SENTENCE,
    "Receipt.path": _PATH,
    "RequestVerdictRequest.request_id": _UUID,
    "RequestVerdictResponse.passport": _CHAIN,
    "ReportEnforcementRequest.request_id": _UUID,
    "ReportGuardRequest.request_id": _UUID,
    "ReportGuardRequest.host": _NAME,
    "ReportGuardRequest.detail": _SENTENCE,
    "EnrolRequest.request_id": _UUID,
    "EnrolRequest.join_token": Bound(256, 1),
    "EnrolRequest.certificate_request": _DER,
    "EnrolRequest.host": _NAME,
    "EnrolResponse.certificate_chain": _CHAIN,
    "EnrolResponse.trust_bundle": _CHAIN,
    "RenewRequest.request_id": _UUID,
    "RenewRequest.certificate": _DER,
    "RenewRequest.certificate_request": _DER,
    "RenewRequest.signature": Bound(1024, 1),
    "RenewResponse.certificate_chain": _CHAIN,
    "RenewResponse.trust_bundle": _CHAIN,
}

#: Messages that a request or receipt is nothing without.
REQUIRED = {
    "Transfer": ("zone", "identity", "attempt_time"),
    "Receipt": ("enforce_time",),
    "RequestVerdictRequest": ("transfer", "report"),
    "ReportEnforcementRequest": ("receipt",),
    "ReportGuardRequest": ("zone",),
}


def violations(message: Message) -> tuple[str, ...]:
    """What is wrong with ``message``, as ``field: why``; empty when nothing is."""
    return tuple(islice(_walk(message, ""), _MOST_REPORTED))


def _walk(message: Message, above: str) -> Iterator[str]:
    name = message.DESCRIPTOR.name
    if message.DESCRIPTOR.file.package != "lockgate.v1":
        return
    for field in REQUIRED.get(name, ()):
        if not message.HasField(field):
            yield f"{above}{field}: missing"
    for descriptor in message.DESCRIPTOR.fields:
        yield from _field(message, descriptor, above)


def _field(message: Message, field: Any, above: str) -> Iterator[str]:
    if field.has_presence and not message.HasField(field.name):
        return
    value = getattr(message, field.name)
    where = f"{above}{field.name}"
    bound = BOUNDS.get(f"{message.DESCRIPTOR.name}.{field.name}")
    if not field.is_repeated:
        yield from _value(value, field, bound, where)
        return
    if bound is None or bound.items is None or len(value) > bound.items:
        yield f"{where}: more than {bound.items if bound else None} elements"
        return
    for index, item in enumerate(value):
        yield from _value(item, field, bound, f"{where}[{index}]")


def _value(value: Any, field: Any, bound: Bound | None, where: str) -> Iterator[str]:
    if isinstance(value, Message):
        yield from _walk(value, f"{where}.")
    elif field.type in {FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES}:
        if bound is None:
            yield f"{where}: no bound is known"
            return
        size = len(value.encode() if isinstance(value, str) else value)
        if not bound.low <= size <= bound.high:
            yield f"{where}: not of {bound.low} to {bound.high} bytes"
        elif bound.form is not None and not bound.form.fullmatch(value):
            yield f"{where}: not of the form {bound.form.pattern}"
