"""Connections to receivers of alerts.

Rules enforced here:

1. Off this host a connection is TLS 1.2 or later, and the receiver's certificate must name it;
   without TLS only a loopback address is reached.
2. Whatever goes wrong on the way is an :class:`UnreachableError` that names the receiver.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lockgate.controller.alerts.sink import UnreachableError

#: How long a receiver may stay silent.
PATIENCE_S = 30.0


def tls_context(
    ca_file: Path | None, certificate_file: Path | None = None, key_file: Path | None = None
) -> ssl.SSLContext:
    """What is trusted (None: the system's authorities), and what is shown to the receiver.

    Raises:
        UnreachableError: a file cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if certificate_file is not None:
            context.load_cert_chain(certificate_file, key_file)
    except OSError as error:
        files = ", ".join(str(file) for file in (ca_file, certificate_file, key_file) if file)
        raise UnreachableError(f"TLS files {files} cannot be used: {error}") from None
    return context


@contextmanager
def connected(host: str, port: int, context: ssl.SSLContext | None) -> Iterator[socket.socket]:
    """A connection, closed at the end; with a ``context`` it is told that nothing was cut off.

    Raises:
        UnreachableError: see the rules of this module.
    """
    try:
        with socket.create_connection((host, port), PATIENCE_S) as plain:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if context is None:
                yield plain
                return
            with context.wrap_socket(plain, server_hostname=host) as secured:
                yield secured
                secured.unwrap()
    except OSError as error:
        reason = error.strerror or str(error)
        raise UnreachableError(f"{host} port {port}: {reason}") from None


def is_loopback(host: str) -> bool:
    """Whether a name or address never leaves this host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
