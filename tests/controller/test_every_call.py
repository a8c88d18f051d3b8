"""Every call of every service against peers and messages that nobody foresaw."""

import itertools
import json
import time

import grpc
import hostile_messages as hostile  # shared by path
import pytest
from people import join  # shared by path

from lockgate.controller.people.roles import Role

_AGENTS = {"DecisionService", "AgentService", "BundleService"}
_STRANGERS = {"EnrolmentService", "LoginService"}
_OURS = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN}
CALLS = hostile.calls()
#: What is refused before the store is asked is so beside every store.
one_store = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def words_of(error):
    """Status, and the controller's word for the reason."""
    return error.code(), dict(error.trailing_metadata() or ()).get("lockgate-reason")


@pytest.fixture
def peers(controller, agent, tmp_path):
    """The channel of the right kind of peer for a call, and of the wrong kind."""
    anna = join(controller, tmp_path, "anna", *Role).channel
    credentials = grpc.ssl_channel_credentials(controller.ca)
    stranger = grpc.secure_channel(controller.addresses["enrol"], credentials)

    def of(method, *, wrong=False):
        name = method.containing_service.name
        if name in _STRANGERS:
            return stranger
        is_agent = name in _AGENTS or method.name == "FetchRegistry"
        return agent.channel if is_agent != wrong else anna

    return of


@one_store
def test_what_is_no_message_is_refused_and_recorded(controller, peers):
    """Whatever call it is for: malformed, with a word, and an entry that names the call."""
    for method in CALLS:
        error = hostile.said(peers(method), method, b"\xff" * 100)
        assert words_of(error) == (grpc.StatusCode.INVALID_ARGUMENT, "malformed"), method.full_name
        assert "DecodeError" not in error.details(), method.full_name
    refused = [e for e in controller.entries() if e["kind"] == "refusal"]
    assert {e["call"] for e in refused} == {method.name for method in CALLS}
    assert {e["reason"] for e in refused} == {"malformed"}


@one_store
def test_what_is_too_large_is_refused_and_recorded(controller, peers):
    """On both ports, in calls and on the stream; nothing of it is parsed."""
    names = {"RequestVerdict", "Connect", "LogIn"}
    for size, method in itertools.product((4 << 20, 15 << 20), CALLS):
        if method.name in names:
            error = hostile.said(peers(method), method, b"\0" * (size + 1))
            assert words_of(error) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "oversized")
    refused = [e for e in controller.entries() if e["kind"] == "refusal"]
    assert {e["call"] for e in refused} == names
    assert {e["reason"] for e in refused} == {"oversized"}


@one_store
def test_the_wrong_kind_of_certificate_is_refused_and_recorded(controller, peers):
    """An agent is no person, and a person no agent."""
    asked = [m for m in CALLS if m.containing_service.name not in _STRANGERS]
    for method in asked:
        raw = hostile.filled(method.input_type).SerializeToString()
        error = hostile.said(peers(method, wrong=True), method, raw)
        assert error is not None, method.full_name
        code, word = words_of(error)
        assert code is grpc.StatusCode.UNAUTHENTICATED, method.full_name
        assert word in {"identity-unknown", "person-unknown"}, method.full_name
    refused = [e for e in controller.entries() if e["kind"] == "refusal"]
    assert {e["call"] for e in refused} == {method.name for method in asked}
    assert "anna" not in json.dumps(refused)


def test_no_field_of_any_message_is_a_fault_of_ours(controller, peers):
    """Impossible texts, numbers, words and times: answered, or refused with a word."""
    faults = []
    for method in CALLS:
        for what, message in hostile.twisted(method.input_type):
            began = time.monotonic()
            error = hostile.said(peers(method), method, message.SerializeToString())
            took = time.monotonic() - began
            code, word = words_of(error) if error is not None else (None, "answered")
            if word is None or code in _OURS or took > 10:
                faults.append(f"{method.name}: {what}: {code} {word} {took:.1f} s")
    assert not faults, "\n".join(faults)
    assert "Traceback" not in (controller.state / "log").read_text()
