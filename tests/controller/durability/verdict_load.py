"""Agents that ask without end, and what must be true of their answers afterwards.

Rules enforced here: an agent that hears no answer asks again with the same request, as the
real one does; every answer it ever heard is kept.
"""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc

VERIFY = "from lockgate.controller.ledger.cli import app; app(['verify', {!r}])"


@dataclass
class Asked:
    """One request and every answer to it."""

    request: Any
    answers: list[Any] = field(default_factory=list)


class Load:
    """One thread for each agent; agents go to another controller when theirs does not answer."""

    def __init__(self, controllers: Sequence[Any], agents: Sequence[Any], samples: Any) -> None:
        self._controllers = controllers
        self._agents = agents
        self._samples = samples
        self._stopped = threading.Event()
        self.asked: list[Asked] = []
        self._threads = [threading.Thread(target=self._run, args=(agent,)) for agent in agents]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let every agent get its last answer, and leave no connection open."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()
        for agent in self._agents:
            agent.channel.close()

    def answered(self) -> list[Asked]:
        """What has been answered so far."""
        return [asked for asked in list(self.asked) if asked.answers]

    def _run(self, agent: Any) -> None:
        while not self._stopped.is_set():
            report = self._samples.report(self._samples.finding())
            asked = Asked(agent.verdict_request(self._samples.transfer(agent.host), report))
            self.asked.append(asked)
            self._ask(agent, asked)

    def _ask(self, agent: Any, asked: Asked) -> None:
        end = time.monotonic() + 40
        while not asked.answers and time.monotonic() < end:
            try:
                asked.answers.append(agent.stub.RequestVerdict(asked.request, timeout=5))
            except grpc.RpcError:
                time.sleep(0.05)
                agent.channel.close()
                agent.controller = random.choice(self._controllers)
                agent.connect()


def check(controller: Any, agent: Any, answered: Sequence[Asked]) -> None:
    """No decision that was heard is missing, doubled or changed; ask for each again.

    ``controller`` runs, and ``agent`` is connected to it.
    """
    entries = controller.entries()
    for asked in answered:
        entry = entries[asked.answers[0].ledger_index]
        assert entry["request_id"] == asked.request.request_id
        assert entry["transfer_id"] == asked.request.transfer.transfer_id
    decided = Counter(e["request_id"] for e in entries if e["kind"] == "verdict")
    assert not [one for one, count in decided.items() if count > 1]
    for asked in [one for one in answered if one.request.transfer.host == agent.host][-200:]:
        assert agent.stub.RequestVerdict(asked.request, timeout=20) == asked.answers[0]


def verify(controller: Any) -> str:
    """What the verifier says of the ledger of a controller that has ended."""
    command = [sys.executable, "-c", VERIFY.format(str(controller.state))]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
