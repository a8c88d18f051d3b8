"""A plain grpcio server over mutual TLS that answers every call with the same bytes.

Usage: ``echoing.py STATE_FOLDER``; it shows a certificate of that controller's authority and
prints READY and its address. It is what any service of grpcio costs at least.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc

from lockgate.controller.identity import authority

#: About the size of an answer with a passport.
_ANSWER = bytes(1500)


class Echo(grpc.GenericRpcHandler):
    """Answers every method."""

    def service(self, _details: grpc.HandlerCallDetails) -> Any:
        """One handler for all."""

        async def answer(_request: bytes, _context: Any) -> bytes:
            return _ANSWER

        return grpc.unary_unary_rpc_method_handler(answer)


async def main() -> None:
    """Serve until killed."""
    ca = authority.load(Path(sys.argv[1]) / "identity")
    shown = ca.issue_server(["127.0.0.1"], datetime.now(UTC), timedelta(days=1))
    credentials = grpc.ssl_server_credentials(
        [(shown.key, shown.chain)], ca.bundle, require_client_auth=True
    )
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Echo(),))
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    print(f"READY grpc=127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


asyncio.run(main())
