"""What a servicer did not foresee, without a network."""

import asyncio
from types import SimpleNamespace

import grpc
import pytest

from lockgate.controller.receiving import Reception
from lockgate.controller.refusals import Refusal, RefusalReason
from lockgate.v1 import decision_pb2_grpc


class Refusing:
    """Remembers what was refused."""

    def __init__(self):
        self.refused = []

    def identify(self, context):
        """Nobody."""
        return Refusal(RefusalReason.NO_CERTIFICATE)

    async def refuse(self, refusal, context, name, who):
        """End the call as gRPC does."""
        self.refused.append((name, refusal.reason))
        raise grpc.aio.AbortError


class Served:
    """Finds the handlers of a service as gRPC does."""

    def add_generic_rpc_handlers(self, handlers):
        """Keep them."""
        self.generic = handlers[0]

    def named(self, path):
        """The handler of a call."""
        return self.generic.service(SimpleNamespace(method=path))


class FaultyService(decision_pb2_grpc.DecisionServiceServicer):
    """A servicer with a fault."""

    async def RequestVerdict(self, request, context):  # noqa: N802  (the name is the contract's)
        """Fail with a text that is nobody's business."""
        raise ValueError("secret of the store")


def test_an_unforeseen_fault_is_a_refusal_without_its_text():
    """By itself gRPC would tell the peer the text of the exception."""
    calls, server = Refusing(), Served()
    decision_pb2_grpc.add_DecisionServiceServicer_to_server(
        FaultyService(), Reception(server, calls)
    )
    answer = server.named("/lockgate.v1.DecisionService/RequestVerdict").unary_unary
    with pytest.raises(grpc.aio.AbortError):
        asyncio.run(answer(object(), None))
    assert calls.refused == [("RequestVerdict", RefusalReason.INTERNAL)]
