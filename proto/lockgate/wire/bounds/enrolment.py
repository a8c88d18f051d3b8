"""Bounds of the fields of ``enrolment.proto``."""

from __future__ import annotations

from lockgate.wire.bounds.bound import CHAIN, DER, NAME, UUID, Bound

BOUNDS = {
    "EnrolRequest.request_id": UUID,
    "EnrolRequest.join_token": Bound(256, 1),
    "EnrolRequest.certificate_request": DER,
    "EnrolRequest.host": NAME,
    "EnrolResponse.certificate_chain": CHAIN,
    "EnrolResponse.trust_bundle": CHAIN,
    "RenewRequest.request_id": UUID,
    "RenewRequest.certificate": DER,
    "RenewRequest.certificate_request": DER,
    "RenewRequest.signature": Bound(1024, 1),
    "RenewResponse.certificate_chain": CHAIN,
    "RenewResponse.trust_bundle": CHAIN,
}
