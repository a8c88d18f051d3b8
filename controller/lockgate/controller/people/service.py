"""LoginService and PersonService.

Rules enforced here:

1. A password is traded for a certificate that lives for hours and is for clients only; no other
   call takes a password.
2. Every failed login is a refusal, recorded under the caller's address with the person's id where
   there is one, never with the name or the password that was sent.
3. Passwords are tried in threads of their own, and only so many wait for one: a flood of strangers
   holds up logins and nothing else.
4. A password that was changed while it was tried opens nothing.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import grpc
from sqlalchemy import Connection

from lockgate.controller import clock
from lockgate.controller.calls import Calls, violations_of
from lockgate.controller.identity.authority import Authority
from lockgate.controller.identity.enrolment import requested_key, to_pem
from lockgate.controller.people import passwords, people
from lockgate.controller.people.calls import PersonCalls
from lockgate.controller.people.roles import ANY_ROLE, Person, Role
from lockgate.controller.records import Ledger
from lockgate.controller.refusals import Refusal, RefusalReason
from lockgate.v1 import person_pb2 as pb
from lockgate.v1 import person_pb2_grpc
from lockgate.wire.convert.values import EnumMap, timestamp

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
ROLES = EnumMap(Role, pb.Role.DESCRIPTOR)
#: Logins that are tried or wait to be; a trial takes some 50 ms.
MOST_WAITING = 32
_RETRY_MS = 1000


class LoginService(person_pb2_grpc.LoginServiceServicer):
    """The servicer of the server-TLS port."""

    def __init__(self, calls: Calls, ledger: Ledger, authority: Authority, life: timedelta) -> None:
        self._calls = calls
        self._ledger = ledger
        self._authority = authority
        self._life = life
        self._trials = passwords.Trials()
        self._threads = ThreadPoolExecutor(passwords.AT_ONCE, "passwords")
        self._waiting = 0

    async def LogIn(  # noqa: N802  (the name is the contract's)
        self, request: pb.LogInRequest, context: _Context
    ) -> pb.LogInResponse:
        """Trade a password for a certificate; see the .proto."""
        answer: bytes | Refusal | None = violations_of(request)
        known = _Known()
        if answer is None:
            answer = await self._log_in(request, known)
        if isinstance(answer, Refusal):
            address = str(context.peer()).rpartition(":")[0]
            who = f"{address} as person/{known.person}" if known.person else address
            await self._calls.refuse(answer, context, "LogIn", who)
        return pb.LogInResponse.FromString(answer)

    async def _log_in(self, request: pb.LogInRequest, known: _Known) -> bytes | Refusal:
        if self._waiting >= MOST_WAITING:
            return Refusal(RefusalReason.OVERLOAD, retry_ms=_RETRY_MS)
        self._waiting += 1
        try:
            return await self._try(request, known)
        finally:
            self._waiting -= 1

    async def _try(self, request: pb.LogInRequest, known: _Known) -> bytes | Refusal:
        now = clock.now()
        found = await self._calls.submit(lambda c: known.read(c, request.name))
        if isinstance(found, Refusal):
            return found
        if not self._trials.begin(request.name, time.monotonic()):
            return Refusal(RefusalReason.LOGIN_BLOCKED)
        loop, given = asyncio.get_running_loop(), (request.password, known.password_hash)
        if not await loop.run_in_executor(self._threads, passwords.is_right, *given):
            return Refusal(RefusalReason.LOGIN)
        self._trials.succeeded(request.name)
        return await self._calls.submit(lambda c: self._issue(c, request, known, now))

    def _issue(
        self, connection: Connection, request: pb.LogInRequest, known: _Known, now: datetime
    ) -> bytes | Refusal:
        person = people.named(connection, request.name)
        same = people.password_hash(connection, request.name) == known.password_hash
        if person is None or person.id != known.person or not same:
            return Refusal(RefusalReason.LOGIN)
        public_key = requested_key(request.certificate_request)
        if isinstance(public_key, Refusal):
            return public_key
        certificate = self._authority.issue_person(person.name, public_key, now, self._life)
        serial, until = f"{certificate.serial_number:x}", certificate.not_valid_after_utc
        people.note_login(connection, self._ledger, person, serial, now, until)
        bundle = self._authority.bundle
        answer = pb.LogInResponse(certificate_chain=to_pem(certificate), trust_bundle=bundle)
        return answer.SerializeToString()


@dataclass(slots=True)
class _Known:
    """What the store knows of a name: empty when nobody has it."""

    person: str = ""
    password_hash: str | None = None

    def read(self, connection: Connection, name: str) -> bytes:
        """Look it up."""
        person = people.named(connection, name)
        self.person = person.id if person else ""
        self.password_hash = people.password_hash(connection, name)
        return b""


class PersonService(person_pb2_grpc.PersonServiceServicer):
    """The servicer of the mTLS port."""

    def __init__(self, calls: PersonCalls) -> None:
        self._calls = calls

    async def ListPeople(  # noqa: N802
        self, request: pb.ListPeopleRequest, context: _Context
    ) -> pb.ListPeopleResponse:
        """Everybody, by name."""

        def show(connection: Connection) -> bytes:
            shown = [_message(*one) for one in people.everybody(connection)]
            return pb.ListPeopleResponse(people=shown).SerializeToString()

        answer = await self._calls.read(request, context, "ListPeople", ANY_ROLE, show)
        return pb.ListPeopleResponse.FromString(answer)


def _message(person: Person, added_at: int) -> pb.Person:
    numbers = [ROLES.number(role) for role in sorted(person.roles, key=lambda role: role.value)]
    added = timestamp(clock.from_micros(added_at))
    return pb.Person(person_id=person.id, name=person.name, roles=numbers, add_time=added)
