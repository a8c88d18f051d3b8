"""Bounds of the fields of ``person.proto``."""

from __future__ import annotations

from lockgate.wire.bounds.bound import CHAIN, DER, UUID, Bound
from lockgate.wire.convert.values import SHORT_TEXT

#: A name of a person as it is logged in with, and roles of one person at most.
PERSON_NAME = Bound(64, 1)
MOST_ROLES = 16

BOUNDS = {
    "Person.person_id": UUID,
    "Person.name": PERSON_NAME,
    "Person.roles": Bound(items=MOST_ROLES),
    "LogInRequest.request_id": UUID,
    "LogInRequest.name": PERSON_NAME,
    "LogInRequest.password": Bound(8 * SHORT_TEXT, 1),
    "LogInRequest.certificate_request": DER,
    "LogInResponse.certificate_chain": CHAIN,
    "LogInResponse.trust_bundle": CHAIN,
    "ListPeopleResponse.people": Bound(items=10_000),
}
