"""What an agent that holds no opens does when it is told to."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "fakes"))

from watched import Watched, monitor, outbox, watching

from lockgate.agent.config import Mode
from lockgate.agent.uplink.orders import Deeds, OrderError
from lockgate.agent.watch.deeds import WatchDeeds
from lockgate.agent.watch.inotify import Inotify
from lockgate.agent.watch.staging import Staging
from lockgate.wire.agent import ForgetDecisions, QuarantineFile, Release, Rescan, Restore
from lockgate.wire.ids import uuid7
from lockgate.wire.transfer import Zone

ZONE = Zone("test")


def deeds_of(seen: Watched) -> Deeds:
    """What the watch of one zone can be told."""
    return WatchDeeds({ZONE.name: seen.zone}, seen.at_next_turn).all()


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """An outbox with one dirty file."""
    (tmp_path / "outbox" / "deep").mkdir(parents=True)
    (tmp_path / "outbox" / "deep" / "dirty").write_bytes(b"PRIVATE")
    return tmp_path


def test_a_released_file_of_an_outbox_is_judged_again(box: Path) -> None:
    """It goes back under its name, and comes out once the decision is another."""
    with watching(box, Mode.OUTBOX, outbox) as seen:
        seen.wait_for_receipts(1)
        why = json.loads((box / "held" / "deep" / "dirty.lockgate.json").read_text())
        release = Release(why["transfer_id"], why["report"]["sha256"])
        said = deeds_of(seen)[Release](release)
        seen.wait_for_receipts(2)
    first, second = seen.decider.transfers
    assert said == f"judged again: {box}/outbox/deep/dirty"
    assert (first.path, second.path) == (said.removeprefix("judged again: "),) * 2
    assert first.transfer_id != second.transfer_id
    assert list((box / "released").rglob("*")) == []
    assert (box / "held" / "deep" / "dirty.lockgate.json").exists()


@pytest.mark.parametrize("content", ["", "ab" * 32])
def test_another_transfer_or_other_bytes_give_nothing_back(box: Path, content: str) -> None:
    """Neither does a file that only looks like a reason."""
    staging = Staging(box)
    with watching(box, Mode.MONITOR, monitor(Inotify)) as seen:
        assert Release not in deeds_of(seen)
    transfer = uuid7()
    (box / "held" / "x").write_bytes(b"held")
    reason = box / "held" / "x.lockgate.json"
    reason.write_text(json.dumps({"transfer_id": transfer, "report": {"sha256": "cd" * 32}}))
    assert staging.give_back(uuid7(), content) is None
    assert content == "" or staging.give_back(transfer, content) is None
    for damage in (b"", b"[]", b"\xff", b"[" * 100_000):
        reason.write_bytes(damage)
        assert staging.give_back(transfer, "") is None
    assert (box / "held" / "x").exists()
    staging.close()


@pytest.mark.parametrize("action", [Rescan(ZONE), ForgetDecisions()])
def test_a_monitored_zone_is_scanned_again_when_it_is_told_so(
    tmp_path: Path, action: Rescan | ForgetDecisions
) -> None:
    """At once, not at the next interval."""
    (tmp_path / "file").write_bytes(b"text")
    with watching(tmp_path, Mode.MONITOR, monitor(Inotify)) as seen:
        seen.wait_for_receipts(1)
        deeds_of(seen)[type(action)](action)
        seen.wait_for_receipts(2)


def test_what_such_an_agent_cannot_do_it_does_not_say_it_can(box: Path) -> None:
    """It has no quarantine; a zone that it does not watch is told."""
    with watching(box, Mode.OUTBOX, outbox) as seen:
        deeds = deeds_of(seen)
        assert not {QuarantineFile, Restore} & set(deeds)
        with pytest.raises(OrderError):
            deeds[Rescan](Rescan(Zone("elsewhere")))
        with pytest.raises(OrderError):
            deeds[Release](Release(uuid7()))
