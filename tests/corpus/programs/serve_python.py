"""TLS servers in Python: ``serve_python.py LIBRARY PORT CERTIFICATE KEY``."""

from __future__ import annotations

import sys
from pathlib import Path


def stdlib(port: int, certificate: str, key: str) -> None:
    import http.server
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", port), http.server.BaseHTTPRequestHandler
    )
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


def grpc(port: int, certificate: str, key: str) -> None:
    from concurrent.futures import ThreadPoolExecutor

    import grpc

    pair = (Path(key).read_bytes(), Path(certificate).read_bytes())
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_secure_port(f"127.0.0.1:{port}", grpc.ssl_server_credentials([pair]))
    server.start()
    server.wait_for_termination()


async def application(_scope: object, _receive: object, send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


if __name__ == "__main__":
    globals()[sys.argv[1]](int(sys.argv[2]), *sys.argv[3:])
