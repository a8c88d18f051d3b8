"""RegistryService: the registry for people, and what scans need of it for agents.

Rules enforced here:

1. People are shown keys of the store and of the settings' files; changes go by ``ChangeService``.
2. Agents get names, public halves, fingerprints and anchors: neither owners nor sentences. An
   agent that has the newest content gets none again; each content that is handed out is a ledger
   entry.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import grpc
from sqlalchemy import Connection

from lockgate.controller import clock
from lockgate.controller.appending import Ledger
from lockgate.controller.calls import Calls, violations_of
from lockgate.controller.fitting import fitting
from lockgate.controller.identity import peers
from lockgate.controller.identity.peers import Peer
from lockgate.controller.known_keys import LiveKeys
from lockgate.controller.people.calls import PersonCalls
from lockgate.controller.people.roles import ANY_ROLE
from lockgate.controller.refusals import Refusal
from lockgate.controller.registry import keys, messages
from lockgate.v1 import registry_pb2 as pb
from lockgate.v1 import registry_pb2_grpc
from lockgate.wire.bounds.registry import MOST_KEYS, PART_BYTES

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class RegistryService(registry_pb2_grpc.RegistryServiceServicer):
    """The servicer."""

    def __init__(self, calls: Calls, people: PersonCalls, ledger: Ledger, live: LiveKeys) -> None:
        self._calls = calls
        self._people = people
        self._ledger = ledger
        self._live = live

    async def ListKeys(  # noqa: N802  (the name is the contract's)
        self, request: pb.ListKeysRequest, context: _Context
    ) -> pb.ListKeysResponse:
        """The keys, in parts; see the .proto."""

        def show(connection: Connection) -> bytes:
            found = self._listed(connection, request.fingerprint)
            part = fitting(found[min(request.offset, len(found)) :][:MOST_KEYS])
            return pb.ListKeysResponse(keys=part, total=len(found)).SerializeToString()

        answer = await self._people.read(request, context, "ListKeys", ANY_ROLE, show)
        return pb.ListKeysResponse.FromString(answer)

    def _listed(self, connection: Connection, fingerprint: str) -> list[pb.RegisteredKey]:
        stored = keys.registered(connection)
        there = {row.key.fingerprint for row in stored}
        found = [messages.stored(row) for row in stored]
        found += [messages.of_key(k) for k in self._live.files if k.fingerprint not in there]
        found = [key for key in found if fingerprint in ("", key.fingerprint)]
        return sorted(found, key=lambda key: (key.name, key.fingerprint))

    async def FetchRegistry(  # noqa: N802
        self, request: pb.FetchRegistryRequest, context: _Context
    ) -> pb.FetchRegistryResponse:
        """What an agent's scans look for; see the .proto."""
        peer = self._calls.identify(context)
        refusal = peer if isinstance(peer, Refusal) else violations_of(request)
        answer: bytes | Refusal = refusal or b""
        if isinstance(peer, Peer) and refusal is None:
            answer = await self._calls.submit(lambda c: self._fetched(c, request, peer))
        if isinstance(answer, Refusal):
            host = peer.host if isinstance(peer, Peer) else ""
            await self._calls.refuse(answer, context, "FetchRegistry", host)
        return pb.FetchRegistryResponse.FromString(answer)

    def _fetched(
        self, connection: Connection, request: pb.FetchRegistryRequest, peer: Peer
    ) -> bytes | Refusal:
        refusal = peers.admitted(connection, peer.host, peer.serial)
        if refusal is not None:
            return refusal
        file = self._live.current.file
        answer = pb.FetchRegistryResponse(digest=file.digest, size=len(file.content))
        if request.digest != file.digest:
            answer.content = file.content[request.offset : request.offset + PART_BYTES]
            if request.offset == 0:
                self._note(connection, peer.host, file.digest)
        return answer.SerializeToString()

    def _note(self, connection: Connection, host: str, digest: str) -> None:
        time = clock.rfc3339(clock.now())
        entry = {"kind": "registry-fetched", "time": time, "host": host, "digest": digest}
        self._ledger.append(connection, entry)
