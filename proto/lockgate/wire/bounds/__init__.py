"""Bounds of every field that has a length: one file for each .proto, one line here."""

from __future__ import annotations

from lockgate.wire.bounds import (
    agent,
    bundle,
    change,
    decision,
    enrolment,
    host,
    incident,
    ledger,
    passport,
    person,
    policy,
    registry,
    report,
    review,
    transfer,
)
from lockgate.wire.bounds.bound import Bound

_FILES = (
    agent,
    bundle,
    change,
    decision,
    enrolment,
    host,
    incident,
    ledger,
    passport,
    person,
    policy,
    registry,
    report,
    review,
    transfer,
)

#: Message and field -> bound.
BOUNDS: dict[str, Bound] = {name: bound for file in _FILES for name, bound in file.BOUNDS.items()}
