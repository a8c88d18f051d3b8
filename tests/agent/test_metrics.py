"""Metrics and health over HTTP, and what they say of zones."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pytest

from lockgate.agent.canary.proof import Round
from lockgate.agent.canary.rounds import Tried
from lockgate.agent.health import ZoneFacts, judge
from lockgate.agent.metrics import MetricsServer, Page, Sample, render
from lockgate.agent.zone_status import zone_samples


@contextmanager
def served(pages: Mapping[str, Callable[[], Page]]) -> Iterator[str]:
    """The address of a server of these pages."""
    server = MetricsServer("127.0.0.1:0", pages)
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.close()


def test_samples_are_written_in_prometheus_form() -> None:
    """Counters and gauges are typed, labels escaped, and a time keeps its digits."""
    samples = [
        Sample("lockgate_a_total", 2, (("kind", 'x"y'),)),
        Sample("lockgate_b_timestamp_seconds", 1795247664.5),
    ]
    text = render(samples)
    assert '# TYPE lockgate_a_total counter\nlockgate_a_total{kind="x\\"y"} 2\n' in text
    assert "lockgate_b_timestamp_seconds 1795247664.5\n" in text


def test_a_page_has_its_status_and_an_unknown_one_is_not_found() -> None:
    """What is not well is told by the status, so that no text need be read."""
    pages = {"/metrics": lambda: Page(200, "x 1\n"), "/readyz": lambda: Page(503, "blind\n")}
    with served(pages) as address:
        assert urllib.request.urlopen(f"{address}/metrics").read() == b"x 1\n"
        with pytest.raises(urllib.error.HTTPError) as unwell:
            urllib.request.urlopen(f"{address}/readyz")
        assert unwell.value.code == 503
        assert unwell.value.read() == b"blind\n"
        with pytest.raises(urllib.error.HTTPError) as unknown:
            urllib.request.urlopen(f"{address}/else")
        assert unknown.value.code == 404


def test_metrics_refuse_an_address_that_others_reach() -> None:
    """Only loopback is served."""
    with pytest.raises(ValueError, match="loopback"):
        MetricsServer("0.0.0.0:0", {})


def test_a_zone_is_in_exactly_one_state() -> None:
    """One sample of each state, of which one is 1; proofs and attempts have their own."""
    blind = judge(ZoneFacts("z", marked=False), (), 60.0)
    tried = {"z": Tried(Round((), ()), (), 1795247664.0, 1.0), "never": Tried()}
    lines = render(zone_samples([blind], tried, {("z", "mmap", "refused"): 3})).splitlines()
    states = [line for line in lines if line.startswith("lockgate_zone_state")]
    assert sorted(line.split()[1] for line in states) == ["0", "0", "1"]
    assert 'lockgate_zone_state{zone="z",state="blind"} 1' in states
    assert 'lockgate_canary_attempts_total{zone="z",way="mmap",result="refused"} 3' in lines
    proofs = [line for line in lines if "last_proof_timestamp" in line and "TYPE" not in line]
    assert proofs == ['lockgate_canary_last_proof_timestamp_seconds{zone="z"} 1795247664']
