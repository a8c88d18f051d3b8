"""Which person calls: read from the client certificate, checked on every call.

Rules enforced here:

1. The identity is the certificate's one SPIFFE URI, of the form ``/person/<name>``; validity is
   checked again on each call, as for agents.
2. Whether the login that gave the certificate still stands, whose it is, and with which roles, is
   asked of the store in the transaction of the call itself. So the certificate of somebody who was
   removed is nobody's, also when another person has the name now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from sqlalchemy import Connection

from lockgate.controller.identity import peers
from lockgate.controller.people import people
from lockgate.controller.people.roles import Person, Role, is_name
from lockgate.controller.refusals import Refusal, RefusalReason


@dataclass(frozen=True, slots=True)
class Caller:
    """What a certificate says: a name, and the serial (hex) by which its login is known."""

    name: str
    serial: str


def caller(
    auth: Mapping[str, Iterable[bytes]], trust_domain: str, now: datetime
) -> Caller | Refusal:
    """Who calls, from gRPC's auth context."""
    pems = list(auth.get("x509_pem_cert", ()))
    if not pems:
        return Refusal(RefusalReason.NO_CERTIFICATE)
    read = _read_pem(pems[0], trust_domain)
    if read is None:
        return Refusal(RefusalReason.PERSON_UNKNOWN)
    who, not_before, not_after = read
    if not not_before <= now <= not_after:
        return Refusal(RefusalReason.CERTIFICATE_EXPIRED)
    return who


def admitted(connection: Connection, who: Caller, allowed: frozenset[Role]) -> Person | Refusal:
    """The person, if one of their roles is among ``allowed``."""
    person = people.logged_in(connection, who.serial)
    if person is None or person.name != who.name:
        return Refusal(RefusalReason.PERSON_UNKNOWN)
    if not person.roles & allowed:
        needed = ", ".join(sorted(role.value for role in allowed))
        return Refusal(RefusalReason.ROLE, f"one of: {needed}")
    return person


@lru_cache(maxsize=1024)
def _read_pem(pem: bytes, trust_domain: str) -> tuple[Caller, datetime, datetime] | None:
    try:
        certificate = x509.load_pem_x509_certificate(pem)
    except ValueError:
        return None
    name = peers.named_under("person", certificate, trust_domain)
    if name is None or not is_name(name):
        return None
    who = Caller(name, f"{certificate.serial_number:x}")
    return who, certificate.not_valid_before_utc, certificate.not_valid_after_utc
