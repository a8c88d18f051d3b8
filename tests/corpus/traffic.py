"""Clients that make a server use its key, and note the server's ephemeral public keys.

A relay between client and server keeps what the server sent in clear: the key share of a TLS
ServerHello (RFC 8446, 4.2.8) or ServerKeyExchange (RFC 8422, 5.4), and Q_S of an SSH key
exchange (RFC 5656, section 4). The private halves are real keys in the server's memory, known
to the truth in this way only.
"""

from __future__ import annotations

import contextlib
import hashlib
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from processes import free_port, require

_GROUPS = {0x17: ec.SECP256R1(), 0x18: ec.SECP384R1(), 0x19: ec.SECP521R1()}
_X25519 = 0x1D
_KEX_REPLY = 31


class Relay:
    """Forwards one connection at a time to ``port`` and keeps what came back."""

    def __init__(self, port: int) -> None:
        """Listen on a port of its own."""
        self.port = free_port()
        self.seen = bytearray()
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                thread = threading.Thread(
                    target=_pump, args=(client, server, bytearray()), daemon=True
                )
                thread.start()
                _pump(server, client, self.seen)
                thread.join()


def _pump(source: socket.socket, sink: socket.socket, seen: bytearray) -> None:
    """Copy until one side ends; ``seen`` gets a copy of what passed."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            seen += data
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def tls(port: int, times: int = 3) -> list[str]:
    """Connect by TLS; fingerprints of the server's ephemeral keys."""
    found: list[str] = []
    for number in range(times):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["h2"])
        if number == 1:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        relay = Relay(port)
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", relay.port), 10) as raw,
        ):
            raw.settimeout(2)
            with context.wrap_socket(raw, server_hostname="corpus.test") as client:
                client.sendall(b"GET / HTTP/1.0\r\n\r\n")
                client.recv(1)
        relay.close()
        found += _tls_shares(bytes(relay.seen))
    return found


def ssh(port: int, folder: Path) -> list[str]:
    """Connect by ssh, without a key that would let in; the server's ephemeral keys."""
    require("ssh")
    relay = Relay(port)
    options = ["BatchMode=yes", "StrictHostKeyChecking=no", f"UserKnownHostsFile={folder}/known",
               "KexAlgorithms=curve25519-sha256,ecdh-sha2-nistp256"]  # fmt: skip
    command = ["ssh", "-F", "none", "-p", str(relay.port)]
    for option in options:
        command += ["-o", option]
    subprocess.run([*command, "nobody@127.0.0.1", "true"], capture_output=True, check=False)
    relay.close()
    return _ssh_shares(bytes(relay.seen))


def _handshake(stream: bytes) -> bytes:
    """The handshake messages that stand in clear in a stream of TLS records."""
    out, at = b"", 0
    while at + 5 <= len(stream):
        kind, _, size = struct.unpack_from(">BHH", stream, at)
        if kind == 22:
            out += stream[at + 5 : at + 5 + size]
        elif kind == 23:
            break
        at += 5 + size
    return out


def _tls_shares(stream: bytes) -> Iterator[str]:
    messages, at = _handshake(stream), 0
    while at + 4 <= len(messages):
        kind, size = messages[at], int.from_bytes(messages[at + 1 : at + 4], "big")
        body = messages[at + 4 : at + 4 + size]
        if kind == 2:
            yield from _hello_share(body)
        elif kind == 12 and body[:1] == b"\x03":
            yield from _public(int.from_bytes(body[1:3], "big"), body[4 : 4 + body[3]])
        at += 4 + size


def _hello_share(body: bytes) -> Iterator[str]:
    """The key_share extension of a ServerHello."""
    at = 34 + 1 + body[34] + 3 + 2
    while at + 4 <= len(body):
        kind, size = struct.unpack_from(">HH", body, at)
        if kind == 51 and size > 4:
            group, length = struct.unpack_from(">HH", body, at + 4)
            yield from _public(group, body[at + 8 : at + 8 + length])
        at += 4 + size


def _public(group: int, share: bytes) -> Iterator[str]:
    key: x25519.X25519PublicKey | ec.EllipticCurvePublicKey
    if group == _X25519 or group not in _GROUPS:  # hybrids end in an X25519 share
        key = x25519.X25519PublicKey.from_public_bytes(share[-32:])
    else:
        key = ec.EllipticCurvePublicKey.from_encoded_point(_GROUPS[group], share)
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    yield "sha256:" + hashlib.sha256(spki).hexdigest()


def _ssh_shares(stream: bytes) -> list[str]:
    at = stream.find(b"\n") + 1
    while at + 6 <= len(stream):
        size = struct.unpack_from(">I", stream, at)[0]
        payload = stream[at + 5 : at + 4 + size]
        if payload[0] == _KEX_REPLY:
            host = struct.unpack_from(">I", payload, 1)[0]
            length = struct.unpack_from(">I", payload, 5 + host)[0]
            share = payload[9 + host : 9 + host + length]
            return list(_public(_X25519 if share[0] != 4 else 0x17, share))
        at += 4 + size
    return []
