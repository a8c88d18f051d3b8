"""Two hundred faults under load, and the proof that the detectors would have seen a leak."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import faults  # noqa: E402  # the programs beside this file are shared by path, not installed
from chaos_site import Site  # noqa: E402

from chaos import run  # noqa: E402

pytestmark = [pytest.mark.root, pytest.mark.timeout(2400)]
FAULTS = int(os.environ.get("LOCKGATE_CHAOS_FAULTS", "200"))
SEED = int(os.environ.get("LOCKGATE_CHAOS_SEED", "1"))


@contextmanager
def built(*program: object) -> Iterator[Site]:
    """A site whose agent is started by ``program``; none: by the real command."""
    folder = Path(tempfile.mkdtemp(prefix="lockgate-chaos-"))
    site = Site(folder, [str(word) for word in program]) if program else Site(folder)
    try:
        site.build()
        yield site
    finally:
        site.close()


def test_faults_under_load_leak_nothing_and_let_nobody_wait_too_long():
    """Hundreds of faults: no byte of a dirty file, no open beyond its deadline, little refused."""
    with built() as site:
        assert run(site, FAULTS, SEED).complaints() == []


@pytest.mark.parametrize(
    ("weakness", "chosen"),
    [
        ("without-holder", [faults.kill_holder, faults.kill_agent]),
        ("writers-beside-readers", [faults.burn_cpu]),
        ("by-inode-alone", [faults.burn_cpu]),
    ],
)
def test_a_weakened_guard_is_seen_leaking(weakness: str, chosen: Sequence[faults.Fault]):
    """The same detectors report leaks as soon as the guard lacks what prevents them."""
    with built(sys.executable, HERE / "weakened.py", weakness) as site:
        assert run(site, 6, SEED, tuple(chosen)).leaks
