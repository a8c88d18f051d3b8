"""The policy that decides on this host, signed by the controller and kept here.

Rules enforced here:

1. What is kept was verified (:mod:`lockgate.wire.bundle`), and is verified again whenever it is
   read: what somebody changed on the disk, or has run out, is not used.
2. Key and installation of the first bundle are kept with it; a bundle under another key, or of
   another installation, is refused, and so is a rollback, also after a restart.
3. What is refused leaves what was kept, and says why.
"""

from __future__ import annotations

import base64
import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from lockgate.agent.durable import write_durably
from lockgate.v1 import bundle_pb2 as pb
from lockgate.v1 import bundle_pb2_grpc
from lockgate.wire.bundle import (
    Accepted,
    Bundle,
    BundleError,
    BundleFault,
    BundleKind,
    Expected,
    accepted,
    verify,
)
from lockgate.wire.validate import violations

_TIMEOUT_S = 15.0


class PolicyCache:
    """The policy of this host, in one file of the state folder.

    ``rule_pack`` is the one that this host's scanner last reported; empty until it has.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fetching = threading.Lock()
        self._trouble = ""
        self.rule_pack = ""

    def fetch(self, channel: grpc.Channel) -> None:
        """Ask the controller, and keep what it answers if it can be trusted."""
        try:
            with self._fetching:
                stub = bundle_pb2_grpc.BundleServiceStub(channel)
                answer = stub.FetchPolicy(pb.FetchPolicyRequest(), timeout=_TIMEOUT_S)
                self.accept(answer, datetime.now(UTC))
            self._trouble = ""
        except grpc.RpcError as error:
            self._trouble = f"not fetched: {error.code().name.lower()}"
        except BundleError as error:
            self._trouble = str(error)
        except OSError as error:
            self._trouble = f"not kept: {error.strerror}"

    def accept(self, answer: pb.FetchPolicyResponse, now: datetime) -> Bundle:
        """Verify what the controller answered, and keep it.

        Raises:
            BundleError: it is not to be trusted; what was kept stays.
            OSError: it could not be kept.
        """
        if violations(answer):
            raise BundleError(BundleFault.FORM)
        kept = self._read()
        if kept is not None and kept["key"] != answer.public_key.hex():
            raise BundleError(BundleFault.SIGNATURE)
        bundle = self._verified(answer.envelope, answer.content, answer.public_key, kept, now)
        record = {
            "key": answer.public_key.hex(),
            "envelope": base64.b64encode(answer.envelope).decode(),
            "content": base64.b64encode(answer.content).decode(),
            "installation": bundle.installation,
            "last": accepted(bundle).to_json(),
        }
        write_durably(self._path, record)
        return bundle

    def current(self, now: datetime) -> tuple[Bundle, bytes] | None:
        """The policy to use, with its content; None when none is kept.

        Raises:
            BundleError: what is kept is not to be used now.
        """
        kept = self._read()
        if kept is None:
            return None
        try:
            envelope, content = (base64.b64decode(kept[name]) for name in ("envelope", "content"))
            key = bytes.fromhex(kept["key"])
        except (ValueError, KeyError, TypeError):
            raise BundleError(BundleFault.RECORD) from None
        return self._verified(envelope, content, key, kept, now), content

    def status(self) -> dict[str, Any]:
        """What ``lockgate agent status`` shows of it."""
        try:
            current = self.current(datetime.now(UTC))
        except BundleError as error:
            return {"version": None, "trouble": str(error)}
        if current is None:
            return {"version": None, "trouble": self._trouble}
        bundle, _ = current
        return {
            "version": bundle.version,
            "sha256": bundle.sha256,
            "expires": bundle.expires.isoformat(),
            "trouble": self._trouble,
        }

    def _verified(
        self,
        envelope: bytes,
        content: bytes,
        key: bytes,
        kept: dict[str, Any] | None,
        now: datetime,
    ) -> Bundle:
        expected = Expected(
            kind=BundleKind.POLICY,
            installation=None if kept is None else str(kept.get("installation")),
            rule_pack=self.rule_pack or None,
            last=None if kept is None else Accepted.from_json(kept.get("last")),
        )
        try:
            public = Ed25519PublicKey.from_public_bytes(key)
        except ValueError:
            raise BundleError(BundleFault.SIGNATURE) from None
        return verify(envelope, content, public, expected, now)

    def _read(self) -> dict[str, Any] | None:
        """What is kept; a file that cannot be read is refused, not taken for none.

        Raises:
            BundleError: see there.
        """
        try:
            kept = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError):
            raise BundleError(BundleFault.RECORD) from None
        if not isinstance(kept, dict) or not isinstance(kept.get("key"), str):
            raise BundleError(BundleFault.RECORD)
        return kept
