"""The agent's certificate: how it is got, kept, used and renewed.

Rules enforced here:

1. The private key is made here and never leaves this host; key and certificate stand in one
   file, replaced as a whole, so that they always belong together.
2. A join token is sent only to a server that shows the CA whose SHA-256 the token carries.
3. A certificate is renewed when two thirds of its life are over; one that has expired is
   never shown to anybody. A renewal whose answer was lost is asked for again
   (:mod:`lockgate.agent.uplink.renewal`).
"""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lockgate.agent.durable import write_privately
from lockgate.agent.uplink import renewal
from lockgate.v1 import enrolment_pb2 as pb
from lockgate.v1 import enrolment_pb2_grpc
from lockgate.wire import channels
from lockgate.wire.ids import uuid7

DECISION_PORT = 7443
_PROOF_PREFIX = b"lockgate-renew-v1\0"
#: Pauses between attempts to renew: at most, at least, and once the certificate is over.
_RETRY_S, _LEAST_RETRY_S, _EXPIRED_RETRY_S = 30.0, 1.0, 10.0
_CALL_S = 15.0


class CredentialsError(Exception):
    """There is no usable certificate; the text says what to do.

    ``code``: the status with which the controller refused; None: it did not.
    """

    def __init__(self, why: str, code: grpc.StatusCode | None = None) -> None:
        super().__init__(why)
        self.code = code


def enrol(state_dir: Path, enrolment: str, token: str, host: str) -> datetime:
    """Trade a join token for a certificate; until when it is valid.

    Raises:
        CredentialsError: the token, the server or its answer is not right.
    """
    parts = token.split(".")
    if len(parts) != 3 or parts[0] != "lg1":
        raise CredentialsError("this is no join token; make one with `lockgate controller token`")
    key = ec.generate_private_key(ec.SECP256R1())
    request = pb.EnrolRequest(
        request_id=uuid7(), join_token=token, certificate_request=_csr(key, host), host=host
    )
    response = _call(enrolment, parts[1], lambda stub: stub.Enrol(request, timeout=_CALL_S))
    folder = state_dir / "identity"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    address = f"{enrolment.rpartition(':')[0]}:{DECISION_PORT}"
    facts = {"address": address, "enrolment": enrolment, "host": host}
    write_privately(folder / "ca.pem", response.trust_bundle)
    write_privately(folder / "controller.json", json.dumps(facts).encode())
    write_privately(folder / "agent.pem", _pem(key) + response.certificate_chain)
    return Credentials(state_dir).not_after


class Credentials:
    """The certificate on this host; safe to use from several threads.

    ``trouble``: why the last attempt to renew it failed; empty: it did not.
    """

    def __init__(self, state_dir: Path, address: str = "", enrolment: str = "") -> None:
        self._folder = state_dir / "identity"
        facts = self._read_facts()
        self.address = address or str(facts["address"])
        self.host = str(facts["host"])
        self._enrolment = enrolment or str(facts["enrolment"])
        self._next_renewal = 0.0
        self._renewing = threading.Lock()
        self.generation = 0
        self.trouble = ""
        self._load()

    @property
    def not_after(self) -> datetime:
        """When the certificate ends."""
        return self._certificate.not_valid_after_utc

    def expired(self) -> bool:
        """Whether the certificate is not valid now."""
        return not self._certificate.not_valid_before_utc <= datetime.now(UTC) < self.not_after

    def connect(self) -> grpc.Channel:
        """A channel to the decision port.

        Raises:
            CredentialsError: the certificate has expired.
        """
        if self.expired():
            raise CredentialsError("the agent's certificate has expired; enrol this host again")
        bundle = (self._folder / "ca.pem").read_bytes()
        return channels.client_channel(
            self.address, trust_bundle=bundle, chain=self._chain, key=self._key_pem
        )

    def renew_if_due(self) -> None:
        """Start renewing in the background when it is time; tried again until it is done."""
        life = self.not_after - self._certificate.not_valid_before_utc
        due = datetime.now(UTC) >= self.not_after - life / 3
        if not due or time.monotonic() < self._next_renewal:
            return
        self._next_renewal = time.monotonic() + self._retry_s()
        threading.Thread(target=self._renew_quietly, name="renewal", daemon=True).start()

    def _retry_s(self) -> float:
        """Several attempts fit into what is left of the certificate, however little that is."""
        left = (self.not_after - datetime.now(UTC)).total_seconds()
        if left <= 0:
            return _EXPIRED_RETRY_S
        return min(_RETRY_S, max(_LEAST_RETRY_S, left / 4))

    def _renew_quietly(self) -> None:
        if not self._renewing.acquire(blocking=False):
            return
        try:
            self.renew()
            self.trouble = ""
        except CredentialsError as error:
            self.trouble = str(error)  # for status; it is tried again
        finally:
            self._renewing.release()

    def renew(self) -> None:
        """Get a new certificate for a new key by proving the last one.

        Raises:
            CredentialsError: the controller cannot be reached or refuses.
        """
        try:
            self._renew()
        except OSError as error:
            raise CredentialsError(f"the state folder refuses: {error.strerror}") from None
        except ValueError:
            raise CredentialsError("the controller's CA cannot be read; enrol again") from None

    def _renew(self) -> None:
        der = self._certificate.public_bytes(serialization.Encoding.DER)
        wanted = renewal.read(self._folder, der) or self._propose(der)
        bundle = (self._folder / "ca.pem").read_text("ascii")
        pin = x509.load_pem_x509_certificate(bundle.encode()).fingerprint(hashes.SHA256()).hex()
        try:
            response = _call(
                self._enrolment, pin, lambda stub: stub.Renew(wanted.request, timeout=_CALL_S)
            )
        except CredentialsError as error:
            if renewal.is_decided(error.code):
                renewal.forget(self._folder)
            raise
        write_privately(self._folder / "ca.pem", response.trust_bundle)
        write_privately(self._folder / "agent.pem", wanted.key + response.certificate_chain)
        renewal.forget(self._folder)
        self._load()

    def _propose(self, certificate: bytes) -> renewal.Renewal:
        """A renewal of ``certificate`` (DER) by a new key, on disk before it is said."""
        key = ec.generate_private_key(ec.SECP256R1())
        csr = _csr(key, self.host)
        request = pb.RenewRequest(
            request_id=uuid7(),
            certificate=certificate,
            certificate_request=csr,
            signature=self._key.sign(_PROOF_PREFIX + csr, ec.ECDSA(hashes.SHA256())),
        )
        made = renewal.Renewal(_pem(key), request)
        renewal.keep(self._folder, made)
        return made

    def _read_facts(self) -> dict[str, Any]:
        try:
            return dict(json.loads((self._folder / "controller.json").read_bytes()))
        except (OSError, ValueError):
            raise CredentialsError(
                "this host is not enrolled; run `lockgate agent enrol --controller HOST:7444 "
                "--token TOKEN`, or guard without a controller with `lockgate agent guard`"
            ) from None

    def _load(self) -> None:
        try:
            content = (self._folder / "agent.pem").read_bytes()
            key = serialization.load_pem_private_key(content, None)
            certificates = x509.load_pem_x509_certificates(content)
        except (OSError, ValueError, TypeError):
            raise CredentialsError("the agent's certificate cannot be read; enrol again") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise CredentialsError("the agent's key is not an EC key; enrol again")
        self._key = key
        self._key_pem = _pem(key)
        self._chain = b"".join(c.public_bytes(serialization.Encoding.PEM) for c in certificates)
        self._certificate = certificates[0]
        self.generation += 1


def _call(
    enrolment: str, pin: str, ask: Callable[[enrolment_pb2_grpc.EnrolmentServiceStub], Any]
) -> Any:
    try:
        with channels.enrolment_channel(enrolment, pin) as channel:
            return ask(enrolment_pb2_grpc.EnrolmentServiceStub(channel))
    except channels.PinError as error:
        raise CredentialsError(str(error)) from None
    except (grpc.RpcError, ssl.SSLError) as error:
        said, code = "TLS failed", None
        if isinstance(error, grpc.Call):
            said, code = error.details(), error.code()
        raise CredentialsError(f"{enrolment}: refused: {said}", code) from None


def _csr(key: ec.EllipticCurvePrivateKey, host: str) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64])])
    request = x509.CertificateSigningRequestBuilder().subject_name(name)
    return request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
