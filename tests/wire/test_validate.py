"""The form of a message: what times there are."""

import pytest

from lockgate.v1 import agent_pb2, host_pb2
from lockgate.v1 import ledger_pb2 as pb
from lockgate.wire.ids import uuid7
from lockgate.wire.validate import violations


@pytest.mark.parametrize(
    ("seconds", "nanos", "found"),
    [
        (0, 0, ()),
        (253_402_300_799, 999_999_999, ()),
        (253_402_300_800, 0, ("since: not a time",)),
        (-62_135_596_801, 0, ("since: not a time",)),
        (0, -1, ("since: not a time",)),
        (0, 10**9, ("since: not a time",)),
    ],
)
def test_a_time_is_one_of_the_years_that_have_a_name(seconds, nanos, found):
    """The bounds of google.protobuf.Timestamp; the field is named, its value is not."""
    request = pb.SearchLedgerRequest(since={"seconds": seconds, "nanos": nanos})
    assert violations(request) == found


def test_what_people_send_holds_no_nul_and_what_agents_say_may():
    """A database may refuse a NUL; evidence is escaped when it arrives, not refused."""
    request = host_pb2.EvictHostRequest(request_id=uuid7(), host="a\0b", reason="lost")
    assert violations(request) == ("host: has a NUL character",)
    assert violations(agent_pb2.AgentHello(version="a\0b")) == ()
