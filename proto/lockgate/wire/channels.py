"""TLS at both ends of the wire: server credentials, the agent's channel, the enrolment channel.

Rules enforced here:

1. The decision port asks every client for a certificate of our CA (mTLS).
2. A certificate is rotated without a restart: gRPC fetches the server's anew at each
   handshake. Whether an old connection is still allowed is the server's question per call.
3. Enrolment trusts nothing but the CA certificate whose SHA-256 the join token carries; the
   token is sent only over a connection that this very CA vouches for.
4. Messages are bounded on both sides, and a dead peer is noticed.
"""

from __future__ import annotations

import hashlib
import socket
import ssl
import threading
from collections.abc import Callable
from typing import cast

import grpc

#: Bytes of one message; the largest report that the bounds of the messages allow is smaller.
MESSAGE_LIMIT = 4 * 1024 * 1024

#: Every channel of an agent: bounded messages, a ping after 30 s of silence, 10 s to answer; a
#: controller that is back is noticed within seconds, however long it was away. An attempt to
#: connect has time enough for a controller that all agents call at once.
CHANNEL_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", MESSAGE_LIMIT),
    ("grpc.max_send_message_length", MESSAGE_LIMIT),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 10_000),
    ("grpc.max_reconnect_backoff_ms", 2000),
)


class PinError(Exception):
    """The server could not be reached, or does not show the CA that the join token names."""


def server_credentials(
    chain: bytes, key: bytes, *, client_ca: bytes | None
) -> grpc.ServerCredentials:
    """Credentials that never change. All PEM; see :func:`rotating_server_credentials`."""
    return rotating_server_credentials(lambda: (chain, key), client_ca=client_ca)


def rotating_server_credentials(
    current: Callable[[], tuple[bytes, bytes]], *, client_ca: bytes | None
) -> grpc.ServerCredentials:
    """Credentials of a server; ``current`` gives chain and key, PEM, for each new handshake.

    ``client_ca``: clients must show a certificate of this CA; None: they need none.
    """
    shown = current()
    lock = threading.Lock()

    def configuration() -> grpc.ServerCertificateConfiguration:
        chain, key = shown
        return grpc.ssl_server_certificate_configuration([(key, chain)], client_ca)

    def changed() -> grpc.ServerCertificateConfiguration | None:
        # gRPC's threads ask at each handshake. What they are given replaces what handshakes of
        # other threads still use, and in a storm of them that crashes: None while nothing is new.
        nonlocal shown
        with lock:
            fresh = current()
            if fresh == shown:
                return None
            shown = fresh
            return configuration()

    # None is documented (gRPC: "no change"), and missing in the stubs.
    ask = cast("Callable[[], grpc.ServerCertificateConfiguration]", changed)
    return grpc.dynamic_ssl_server_credentials(
        configuration(), ask, require_client_authentication=client_ca is not None
    )


def client_channel(target: str, *, trust_bundle: bytes, chain: bytes, key: bytes) -> grpc.Channel:
    """The agent's channel to the decision port, with its client certificate (PEM)."""
    credentials = grpc.ssl_channel_credentials(trust_bundle, key, chain)
    return grpc.secure_channel(target, credentials, options=CHANNEL_OPTIONS)


def enrolment_channel(target: str, ca_sha256: str, *, timeout: float = 10.0) -> grpc.Channel:
    """A channel to the enrolment port, trusting only the CA with this SHA-256 (hex, of its DER).

    Blocks for one TLS handshake, at most ``timeout`` seconds per step.

    Raises:
        PinError: see there; nothing but the handshake has been sent.
    """
    root = ssl.DER_cert_to_PEM_cert(_pinned(target, ca_sha256, timeout))
    credentials = grpc.ssl_channel_credentials(root.encode("ascii"))
    return grpc.secure_channel(target, credentials, options=CHANNEL_OPTIONS)


def _pinned(target: str, ca_sha256: str, timeout: float) -> bytes:
    try:
        chain = _shown_chain(target, timeout)
    except (OSError, ValueError) as error:
        raise PinError(f"{target}: cannot be reached: {error}") from None
    for certificate in chain:
        if hashlib.sha256(certificate).hexdigest() == ca_sha256.lower():
            return certificate
    raise PinError(f"{target}: does not show the CA that the join token names")


def _shown_chain(target: str, timeout: float) -> list[bytes]:
    """The certificates a server shows, DER, leaf first, not verified."""
    host, _, port = target.rpartition(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the pin decides, before anything is sent
    context.set_alpn_protocols(["h2"])
    address = (host.strip("[]"), int(port))
    with (
        socket.create_connection(address, timeout) as plain,
        context.wrap_socket(plain, server_hostname=address[0]) as secured,
    ):
        if hasattr(secured, "get_unverified_chain"):
            return [bytes(der) for der in secured.get_unverified_chain()]
        # Before Python 3.13 the same call exists on the inner object only.
        shown = getattr(secured, "_sslobj").get_unverified_chain()  # noqa: B009
        return [ssl.PEM_cert_to_DER_cert(certificate.public_bytes()) for certificate in shown]
