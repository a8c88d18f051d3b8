"""The controller's registry of protected keys, as this host's scans read it.

Rules enforced here:

1. It is asked for at once and then every minute. An unchanged one costs its digest; a new one is
   used when all of it has come and has the digest that was announced.
2. What came last is kept: it is there after a restart, and while the controller is away.
3. Nothing here is in the way of a decision. Until a registry has come, scans look for what the
   settings name; that a found key is protected, the controller knows anyway.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import structlog

from lockgate.agent.durable import sync_directory
from lockgate.agent.uplink.identity import CredentialsError
from lockgate.v1 import registry_pb2 as pb
from lockgate.v1 import registry_pb2_grpc

_PAUSE_S = 60.0
_TIMEOUT_S = 15.0
#: The largest registry that a scan reads.
_LARGEST = 64 << 20

_log = structlog.get_logger()


class RegistryFeed:
    """Keeps one file like the controller's registry.

    ``use`` is called with the file that scans are to read, None when nothing is registered any
    more; ``judge_anew`` after it, when that is another than was kept at the beginning.
    """

    def __init__(
        self,
        channel: Callable[[], grpc.Channel],
        path: Path,
        use: Callable[[Path | None], None],
        judge_anew: Callable[[], None],
        pause_s: float = _PAUSE_S,
    ) -> None:
        self._channel = channel
        self._path = path
        self._use = use
        self._judge_anew = judge_anew
        self._pause_s = pause_s
        self._digest = hashlib.sha256(_kept(path)).hexdigest()
        self._trouble = ""
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="registry", daemon=True)

    def start(self) -> None:
        """Use what was kept, and follow the controller from now on."""
        if _kept(self._path):
            self._use(self._path)
        self._thread.start()

    def status(self) -> dict[str, Any]:
        """What ``lockgate agent status`` shows of it."""
        return {"sha256": self._digest, "trouble": self._trouble}

    def close(self) -> None:
        """End it."""
        self._ending.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._ending.is_set():
            self.fetch()
            self._ending.wait(self._pause_s)

    def fetch(self) -> None:
        """Ask once, and keep and use what is new."""
        try:
            content = self._ask()
            if content is not None:
                self._keep(content)
            self._trouble = ""
        except grpc.RpcError as error:
            self._trouble = f"not fetched: {error.code().name.lower()}"
        except CredentialsError as error:
            self._trouble = f"not fetched: {error}"
        except _IncompleteError as error:
            self._trouble = str(error)
        except OSError as error:
            self._trouble = f"not kept: {error.strerror}"

    def _ask(self) -> bytes | None:
        """The whole of a new registry; None: it is the one that is kept."""
        stub = registry_pb2_grpc.RegistryServiceStub(self._channel())
        request = pb.FetchRegistryRequest(digest=self._digest)
        answer = stub.FetchRegistry(request, timeout=_TIMEOUT_S)
        if answer.digest == self._digest:
            return None
        announced, content = answer.digest, answer.content
        while len(content) < min(answer.size, _LARGEST) and answer.content:
            request.offset = len(content)
            answer = stub.FetchRegistry(request, timeout=_TIMEOUT_S)
            content += answer.content
        if hashlib.sha256(content).hexdigest() != announced:
            raise _IncompleteError("what came is not the registry that was announced")
        return content

    def _keep(self, content: bytes) -> None:
        fresh = self._path.with_name(f".{self._path.name}.new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        sync_directory(self._path.parent)
        self._digest = hashlib.sha256(content).hexdigest()
        _log.info("registry received", sha256=self._digest)
        self._use(self._path if content else None)
        self._judge_anew()


class _IncompleteError(Exception):
    """A registry changed while it was fetched, or was cut."""


def _kept(path: Path) -> bytes:
    """What was kept; nothing is a registry without keys."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
