"""The controller's client: every question gets an answer, and everything is told in the end."""

from __future__ import annotations

import errno
import os
import select
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "fakes"))

from transfers import a_receipt, a_report, a_transfer

from controller import FakeController, FakeCredentials
from lockgate.agent.uplink.client import ClientSettings, ControllerDecider
from lockgate.agent.uplink.spool import Spool
from lockgate.agent.verdicts.journal import Journal
from lockgate.wire.transfer import Decision, GuardChange, HoldReason, Verdict, Zone


@pytest.fixture
def controller() -> Iterator[FakeController]:
    """A controller that allows."""
    made = FakeController()
    yield made
    made.close()


def make(
    state: Path, credentials: FakeCredentials, *, within: float = 1.0, spool_bytes: int = 1 << 20
) -> ControllerDecider:
    """A client with its state in ``state``."""
    settings = ClientSettings("host", state, within, spool_bytes)
    spool = Spool(state / "spool", limit=spool_bytes)
    return ControllerDecider(settings, credentials, spool, Journal(state / "journal"))  # type: ignore[arg-type]  # the fake


def answer(client: ControllerDecider, timeout_s: float = 20) -> Decision:
    """The next decision."""
    assert select.select([client.fileno()], [], [], timeout_s)[0], "no answer"
    ((_, decision),) = client.collect()
    return decision


def wait_until_told(client: ControllerDecider) -> None:
    """Wait until nothing waits any more."""
    assert client.settle(10)
    end = time.monotonic() + 10
    while client.waiting:
        assert time.monotonic() < end
        time.sleep(0.02)


def test_the_controllers_decision_comes_back_and_the_passport_is_kept(
    controller: FakeController, tmp_path: Path
) -> None:
    """An ALLOW reaches the guard, its passport the state folder."""
    client = make(tmp_path, FakeCredentials(controller.port), within=15)
    client.request(1, a_transfer(), a_report())
    assert answer(client).verdict is Verdict.ALLOW
    wait_until_told(client)
    client.close()
    assert [p.name for p in (tmp_path / "passports").iterdir()] == [f"{'0' * 64}.json"]


_EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (grpc.StatusCode.UNAVAILABLE, HoldReason.CONTROLLER_UNREACHABLE),
        (grpc.StatusCode.INTERNAL, HoldReason.CONTROLLER_UNREACHABLE),
        (_EXHAUSTED, HoldReason.CONTROLLER_UNREACHABLE),
        (grpc.StatusCode.INVALID_ARGUMENT, HoldReason.UNKNOWN_VALUE),
    ],
)
def test_no_answer_is_a_hold_with_its_reason(
    controller: FakeController, tmp_path: Path, status: grpc.StatusCode, reason: HoldReason
) -> None:
    """Whatever the controller says instead of a decision, the file is held."""
    controller.refuse = status
    client = make(tmp_path, FakeCredentials(controller.port))
    client.request(1, a_transfer(), a_report())
    assert answer(client).hold_reason is reason
    client.close()


@pytest.mark.parametrize(
    ("status", "word", "reason"),
    [
        (_EXHAUSTED, "store-full", HoldReason.STORE_FULL),
        (grpc.StatusCode.UNAUTHENTICATED, "identity-unknown", HoldReason.CERTIFICATE),
        (grpc.StatusCode.PERMISSION_DENIED, "banned", HoldReason.CERTIFICATE),
    ],
)
def test_a_refusal_that_will_last_is_a_hold_at_once(
    controller: FakeController,
    tmp_path: Path,
    status: grpc.StatusCode,
    word: str,
    reason: HoldReason,
) -> None:
    """A full store or a refused certificate is not asked again until the deadline."""
    controller.refuse, controller.reason = status, word
    client = make(tmp_path, FakeCredentials(controller.port), within=30)
    client.request(1, a_transfer(), a_report())
    assert answer(client, 10).hold_reason is reason
    client.close()


def test_an_unknown_verdict_is_a_hold(controller: FakeController, tmp_path: Path) -> None:
    """A value of a later version never lets a file pass."""
    controller.verdict = 99  # type: ignore[assignment]  # not a value of this version
    client = make(tmp_path, FakeCredentials(controller.port), within=15)
    client.request(1, a_transfer(), a_report())
    assert answer(client).hold_reason is HoldReason.UNKNOWN_VALUE
    client.close()


def test_an_expired_certificate_is_a_hold(controller: FakeController, tmp_path: Path) -> None:
    """With a certificate that is over nothing is asked."""
    credentials = FakeCredentials(controller.port)
    credentials.is_expired = True
    client = make(tmp_path, credentials)
    client.request(1, a_transfer(), a_report())
    assert answer(client).hold_reason is HoldReason.CERTIFICATE
    client.close()


def test_a_full_spool_is_a_hold(controller: FakeController, tmp_path: Path) -> None:
    """What cannot be kept is not asked."""
    client = make(tmp_path, FakeCredentials(controller.port), spool_bytes=64)
    client.request(1, a_transfer(), a_report())
    assert answer(client).hold_reason is HoldReason.SPOOL_FULL
    client.close()
    assert controller.told == []


def test_everything_is_told_after_a_restart_with_the_same_ids(
    controller: FakeController, tmp_path: Path
) -> None:
    """What a dead controller never heard is told by the next process, each message once."""
    nowhere = FakeCredentials(1)
    client = make(tmp_path, nowhere, within=0.2)
    transfer = a_transfer()
    client.request(1, transfer, a_report())
    held = answer(client)
    client.record(a_receipt(transfer, held, 11))
    client.guard_changed(Zone("z"), GuardChange.ARMED, "")
    assert client.settle(10)
    client.close()
    again = make(tmp_path, FakeCredentials(controller.port))
    wait_until_told(again)
    again.close()
    assert [message.sequence for message in sorted(controller.told, key=lambda m: m.sequence)] == [
        1,
        2,
        3,
    ]
    assert len({message.request_id for message in controller.told}) == 3
    third = make(tmp_path, FakeCredentials(controller.port))
    assert third.waiting == 0
    third.close()


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE])
def test_no_descriptor_for_a_channel_costs_one_answer(
    controller: FakeController, tmp_path: Path, code: int
) -> None:
    """The question is held in time, and the next is asked when there are descriptors again."""
    credentials = FakeCredentials(controller.port)
    connect, lacking = credentials.connect, OSError(code, os.strerror(code))

    def fails() -> grpc.Channel:
        raise lacking

    credentials.connect = fails  # type: ignore[method-assign]
    client = make(tmp_path, credentials, within=4)
    client.request(1, a_transfer(), a_report())
    assert answer(client).hold_reason is HoldReason.CONTROLLER_UNREACHABLE
    credentials.connect = connect  # type: ignore[method-assign]
    client.request(2, a_transfer(), a_report())
    assert answer(client, 30).verdict is Verdict.ALLOW
    client.close()


def test_a_disk_that_turned_read_only_costs_one_answer(
    controller: FakeController, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the write nor its undoing succeeds; the client goes on when they do again."""
    client = make(tmp_path, FakeCredentials(controller.port), within=15)

    def refuse(*_: object) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as read_only:
        read_only.setattr(os, "pwrite", refuse)
        read_only.setattr(os, "ftruncate", refuse)
        client.request(1, a_transfer(), a_report())
        assert answer(client).hold_reason is HoldReason.SPOOL_FULL
    client.request(2, a_transfer(), a_report())
    assert answer(client, 30).verdict is Verdict.ALLOW
    client.close()
