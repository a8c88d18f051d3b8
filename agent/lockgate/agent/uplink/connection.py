"""The agent's connection to the controller, made anew when its certificate is.

Rules enforced here:

1. One connection at a time serves calls and stream. A new certificate gets a new connection for
   what is said from then on; what is under way on the old one has time to end.
2. With a certificate that has expired nothing is kept open.
"""

from __future__ import annotations

import threading
import time
from typing import Protocol

import grpc


class Certified(Protocol):
    """What is needed of the credentials."""

    generation: int

    def expired(self) -> bool:
        """Whether the certificate is not valid now."""
        ...

    def connect(self) -> grpc.Channel:
        """A channel with the certificate of now."""
        ...


class Connection:
    """The channel of now; safe to use from several threads.

    ``grace_s``: how long a call may still take on a connection that was replaced.
    """

    def __init__(self, credentials: Certified, grace_s: float) -> None:
        self._credentials = credentials
        self._grace_s = grace_s
        self._lock = threading.Lock()
        self._channel: grpc.Channel | None = None
        self._generation = -1
        self._replaced: list[tuple[grpc.Channel, float]] = []

    @property
    def generation(self) -> int:
        """Which certificate the channel of now shows; another number: another channel."""
        return self._generation

    def channel(self) -> grpc.Channel:
        """The channel of now; its certificate is :attr:`generation`.

        Raises:
            CredentialsError: the certificate has expired.
        """
        self.refresh()
        with self._lock:
            if self._channel is None:
                generation = self._credentials.generation
                self._channel = self._credentials.connect()
                self._generation = generation
            return self._channel

    def refresh(self) -> None:
        """Put off what is not to be used any more, and close what had its time."""
        now = time.monotonic()
        with self._lock:
            if self._credentials.expired():
                self._close_all()
            elif self._channel and self._credentials.generation != self._generation:
                self._replaced.append((self._channel, now + self._grace_s))
                self._channel, self._generation = None, -1
            for channel, _ in [old for old in self._replaced if old[1] <= now]:
                channel.close()
            self._replaced = [old for old in self._replaced if old[1] > now]

    def close(self) -> None:
        """Hang up."""
        with self._lock:
            self._close_all()

    def _close_all(self) -> None:
        for channel in (self._channel, *(channel for channel, _ in self._replaced)):
            if channel is not None:
                channel.close()
        self._channel, self._generation, self._replaced = None, -1, []
