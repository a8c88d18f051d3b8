"""Streams whose agents are turned away, without a network."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lockgate.controller.identity.peers import Peer
from lockgate.controller.refusals import RefusalReason
from lockgate.controller.store.database import StoreError
from lockgate.controller.stream.cutting import CutOff, TurnedAway
from lockgate.controller.stream.hub import Hub
from lockgate.controller.stream.open_stream import OpenStream

DAY = timedelta(days=1)
REASONS = {
    "banned": RefusalReason.BANNED,
    "revoked": RefusalReason.CERTIFICATE_REVOKED,
    "expired": RefusalReason.CERTIFICATE_EXPIRED,
    "good": None,
}


def opened(hub):
    """One stream of each kind of agent, by its host's name."""
    now = datetime.now(UTC)
    streams = {}
    for host in REASONS:
        peer = Peer(host, f"serial-{host}", now - DAY, now + DAY)
        peer = replace(peer, not_after=now) if host == "expired" else peer
        streams[host] = OpenStream(peer, frozenset(), 0)
        hub.join(streams[host])
    return streams


async def ends(streams):
    """Why each stream has ended; None: it has not."""
    await asyncio.sleep(0)
    found = {}
    for host, stream in streams.items():
        try:
            refusal = await asyncio.wait_for(stream.ended(), 0.01)
            found[host] = refusal.reason
        except TimeoutError:
            found[host] = None
    return found


def turned(*answers):
    """What ends after a turn for each answer of the store; an exception is raised."""

    async def run():
        hub = Hub()
        cutting = CutOff(hub, None)
        left = iter(answers)

        def read():
            answer = next(left)
            if isinstance(answer, Exception):
                raise answer
            return answer

        cutting._read = read
        for answer in answers[:-1]:
            await cutting.turn()
            assert not isinstance(answer, Exception)
        streams = opened(hub)
        if isinstance(answers[-1], Exception):
            with pytest.raises(StoreError):
                await cutting.turn()
        else:
            await cutting.turn()
        return await ends(streams)

    return asyncio.run(run())


REFUSED = TurnedAway(frozenset({"banned"}), frozenset({"serial-revoked"}))


def test_whoever_would_be_refused_loses_the_stream():
    """And nobody else."""
    assert turned(REFUSED) == REASONS


def test_without_the_store_what_is_known_is_cut_off():
    """Certificates end although nobody can be asked, and who was turned away stays so."""
    assert turned(REFUSED, StoreError("away")) == REASONS
    expired = {**dict.fromkeys(REASONS), "expired": RefusalReason.CERTIFICATE_EXPIRED}
    assert turned(StoreError("away")) == expired
