"""BundleService: the policy of a host, signed, for the host to keep.

Rules enforced here:

1. Only an agent that is admitted now gets one, and it is the one that decides on its own host.
2. The version of a bundle is the step of the policies, not the number of one: a policy that is
   taken back makes a newer bundle with the older content, which no host takes for a rollback.
3. A bundle is signed anew when half of its life is over.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any, TypeAlias

import grpc
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Engine

from lockgate.controller import clock
from lockgate.controller.calls import Calls, violations_of
from lockgate.controller.identity import peers
from lockgate.controller.identity.peers import Peer
from lockgate.controller.policies.live import LivePolicies, Loaded
from lockgate.controller.refusals import Refusal, RefusalReason
from lockgate.controller.store.database import StoreError, store_faults
from lockgate.v1 import bundle_pb2 as pb
from lockgate.v1 import bundle_pb2_grpc
from lockgate.wire.bundle import Bundle, BundleKind, sign

#: How long a host may use a bundle.
LIFE = timedelta(days=7)
_MOST_KEPT = 8

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

log = structlog.get_logger()


@cache
def rule_pack() -> str:
    """The rule pack that policies are made for: that of this version's scanner."""
    from lockgate.formats import ALL
    from lockgate.scan.engine import rule_pack_of

    return rule_pack_of(ALL)


@dataclass(slots=True)
class Signer:
    """Signs policies for one installation, each once in half of a bundle's life."""

    key: Ed25519PrivateKey = field(repr=False)
    installation: str
    _kept: dict[tuple[int, str], tuple[datetime, bytes]] = field(default_factory=dict)

    @property
    def public_key(self) -> bytes:
        """What hosts verify with, raw."""
        return self.key.public_key().public_bytes_raw()

    def envelope(self, loaded: Loaded, step: int, now: datetime) -> bytes:
        """The envelope of a policy at a step."""
        sha256 = hashlib.sha256(loaded.documents).hexdigest()
        issued, envelope = self._kept.get((step, sha256), (None, b""))
        if issued is not None and issued <= now < issued + LIFE / 2:
            return envelope
        start = now.replace(microsecond=0)
        bundle = Bundle(
            kind=BundleKind.POLICY,
            installation=self.installation,
            version=step,
            sha256=sha256,
            rule_packs=(rule_pack(),),
            issued=start,
            expires=start + LIFE,
        )
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[step, sha256] = (start, sign(bundle, self.key))
        return self._kept[step, sha256][1]


class BundleService(bundle_pb2_grpc.BundleServiceServicer):
    """The servicer."""

    def __init__(
        self, calls: Calls, reader: Engine, policies: LivePolicies, signer: Signer
    ) -> None:
        self._calls = calls
        self._reader = reader
        self._policies = policies
        self._signer = signer

    async def FetchPolicy(  # noqa: N802  (the name is the contract's)
        self, request: pb.FetchPolicyRequest, context: _Context
    ) -> pb.FetchPolicyResponse:
        """The policy of the caller's host; see the .proto."""
        peer = self._calls.identify(context)
        refusal = peer if isinstance(peer, Refusal) else violations_of(request)
        if isinstance(peer, Peer) and refusal is None:
            answer = await asyncio.to_thread(self._bundle, peer)
            if not isinstance(answer, Refusal):
                return answer
            refusal = answer
        host = peer.host if isinstance(peer, Peer) else ""
        assert refusal is not None
        return await self._calls.refuse(refusal, context, "FetchPolicy", host)

    def _bundle(self, peer: Peer) -> pb.FetchPolicyResponse | Refusal:
        try:
            with store_faults(), self._reader.connect() as connection:
                refused = peers.admitted(connection, peer.host, peer.serial)
        except StoreError as error:
            log.warning("store unavailable", error=str(error))
            return Refusal(RefusalReason.STORE_UNAVAILABLE)
        if refused is not None:
            return refused
        current = self._policies.current
        loaded = current.loaded_for(peer.host)
        return pb.FetchPolicyResponse(
            envelope=self._signer.envelope(loaded, current.step, clock.now()),
            content=loaded.documents,
            public_key=self._signer.public_key,
        )
