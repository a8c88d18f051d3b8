"""A renewal on its way: the new key and the request for it, on disk before it is said.

Rules enforced here:

1. What was asked is asked again word for word until it is answered. The controller may have issued
   the certificate although its answer was lost, or this host died with it; asked with another key,
   an expired certificate that is not the newest any more would renew nothing, for ever.
2. A renewal belongs to one certificate; beside another one it is forgotten.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from google.protobuf.message import DecodeError

from lockgate.agent.durable import write_privately
from lockgate.v1 import enrolment_pb2 as pb

_FILE = "renewal.json"
#: After these the certificate may have been issued all the same, or will be.
_UNDECIDED = frozenset(
    {
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.UNKNOWN,
    }
)


@dataclass(frozen=True, slots=True)
class Renewal:
    """A request, and the private key (PEM) that the certificate will be for."""

    key: bytes = field(repr=False)
    request: pb.RenewRequest = field(repr=False)


def read(folder: Path, certificate: bytes) -> Renewal | None:
    """The renewal of ``certificate`` (DER) that is on its way; None: there is none."""
    try:
        kept = json.loads((folder / _FILE).read_bytes())
        request = pb.RenewRequest.FromString(base64.b64decode(kept["request"]))
        renewal = Renewal(str(kept["key"]).encode("ascii"), request)
    except (OSError, ValueError, KeyError, TypeError, RecursionError, DecodeError):
        return None
    return renewal if request.certificate == certificate else None


def keep(folder: Path, renewal: Renewal) -> None:
    """Have it on disk.

    Raises:
        OSError: it is not certain that it is.
    """
    request = base64.b64encode(renewal.request.SerializeToString()).decode("ascii")
    record = {"key": renewal.key.decode("ascii"), "request": request}
    write_privately(folder / _FILE, json.dumps(record).encode("ascii"))


def forget(folder: Path) -> None:
    """It was answered."""
    (folder / _FILE).unlink(missing_ok=True)


def is_decided(code: grpc.StatusCode | None) -> bool:
    """Whether a call that ended so was refused; None: it never reached the controller."""
    return code is not None and code not in _UNDECIDED
