"""Canaries: what they are made of, what counts as a proof, and that a leak is seen as one."""

from __future__ import annotations

import array
import errno
import json
import os
import re
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "fakes"))

from guard_neighbours import FakeDecider, decision_on
from hypothesis import given
from hypothesis import strategies as st
from transfers import a_receipt, a_report, a_transfer

from lockgate.agent.canary import prober, small_core
from lockgate.agent.canary.keys import CanaryKeys, make_keys
from lockgate.agent.canary.proof import Attempt, Result, Seen, judge_round
from lockgate.agent.canary.rounds import Rounds
from lockgate.agent.canary.ways import WAYS
from lockgate.agent.canary.witness import Witness
from lockgate.agent.folders import HIDDEN
from lockgate.agent.guard.zones import GuardedZone
from lockgate.formats.scanner import standard_scanner
from lockgate.policy.canary import CANARY, is_canary
from lockgate.scan.registry import Registry
from lockgate.scan.report import Finding, FindingClass, FindingKind, Report
from lockgate.wire.transfer import Decision, HoldReason, Verdict, Zone, hold

from .conftest import wait_until

PRINTS = {"pem": "sha256:" + "a" * 64, "limbs": "sha256:" + "b" * 64}
FILES = {"pem": (1, 10), "limbs": (1, 11)}


# -- what they are made of ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> CanaryKeys:
    """Canaries as an agent makes them."""
    return make_keys(tmp_path_factory.mktemp("state"))


def contents(keys: CanaryKeys) -> dict[str, bytes]:
    """Two files of each form, as a prober writes them, by form and number."""
    size = os.fstat(keys.material).st_size
    forms = json.loads(os.pread(keys.material, size, 0))["forms"]
    return {f"{form['form']}{n}": prober.content_of(form) for form in forms for n in (1, 2)}


def scanned(content: bytes, registry: Registry, folder: Path) -> Report:
    """What the standard scan says of some bytes."""
    path = folder / "content"
    path.write_bytes(content)
    with path.open("rb") as file:
        return standard_scanner(registry).scan_fd(file.fileno(), "content")


@pytest.mark.parametrize("form", ["pem", "limbs"])
def test_the_scan_finds_a_canary_of_every_form(keys: CanaryKeys, tmp_path: Path, form: str) -> None:
    """As the protected key of that name and fingerprint, and nothing else."""
    registry = Registry.load([keys.registry])
    report = scanned(contents(keys)[f"{form}1"], registry, tmp_path)
    (found,) = report.findings
    assert is_canary(found)
    assert (found.protected_name, found.fingerprint) == (CANARY, keys.fingerprints[form])
    assert not report.gaps


def test_the_limbs_say_nothing_to_one_who_does_not_know_the_public_half(
    keys: CanaryKeys, tmp_path: Path
) -> None:
    """They are bare: no text, no structure, and no second number to put together."""
    content = contents(keys)["limbs1"]
    assert not scanned(content, Registry.empty(), tmp_path).findings
    assert not re.search(rb"PRIVATE KEY( BLOCK)?-----\s+[A-Za-z0-9+/]", content)


def test_the_core_is_real_and_small(keys: CanaryKeys, tmp_path: Path) -> None:
    """An ELF core that readelf(1) reads, below 300 KB, of pages at their own addresses."""
    content = contents(keys)["limbs1"]
    assert len(content) < 300_000
    path = tmp_path / "core"
    path.write_bytes(content)
    shown = subprocess.run(["readelf", "-hl", path], capture_output=True, check=True)
    assert b"CORE (Core file)" in shown.stdout
    assert b"LOAD" in shown.stdout
    assert not shown.stderr


def test_pages_come_from_where_the_number_stands() -> None:
    """The limbs are in the core at the address they have in this process."""
    number = int.from_bytes(os.urandom(128), "little") | 1 << 1023
    limbs = number.to_bytes(128, "little")
    live = array.array("Q", limbs)
    address = live.buffer_info()[0]
    parts = small_core.around([number])
    assert all(part.address % 4096 == 0 and len(part.content) % 4096 == 0 for part in parts)
    (part,) = (p for p in parts if p.address <= address < p.address + len(p.content))
    assert part.content[address - part.address :][:128] == limbs


def test_no_two_files_are_the_same_and_no_two_agents_share_a_key(
    keys: CanaryKeys, tmp_path: Path
) -> None:
    """Nothing can answer for a canary from memory."""
    made = contents(keys)
    assert len(set(made.values())) == 4
    other = make_keys(tmp_path)
    assert not set(other.fingerprints.values()) & set(keys.fingerprints.values())
    other.close()


def test_only_public_halves_touch_the_disk(keys: CanaryKeys) -> None:
    """The state folder has the registry, and that loads: it would refuse a private key."""
    assert list(keys.registry.parent.iterdir()) == [keys.registry]
    assert len(Registry.load([keys.registry])) == 2


# -- what counts as a proof --------------------------------------------------------------------


def attempts(code: int = errno.EPERM, count: int = 0) -> list[Attempt]:
    """A round in which every way got the same."""
    forms = list(FILES)
    return [Attempt(form, way, *FILES[form], code, count) for form, way in prober.pairs(forms, 0)]


def found(decision: Decision | None = None) -> dict[tuple[int, int], Seen]:
    """A guard that found the key in every file."""
    return {FILES[form]: Seen(frozenset({PRINTS[form]}), decision) for form in FILES}


def test_refused_because_the_key_was_found_is_a_proof() -> None:
    """Every way refused, every key found."""
    done = judge_round(attempts(), found(), PRINTS)
    assert done.proved
    assert {result for _, result in done.results} == {Result.REFUSED}


@pytest.mark.parametrize("code", [errno.EPERM, errno.EAGAIN, errno.EBUSY])
def test_refused_for_another_reason_is_no_leak_and_no_proof(code: int) -> None:
    """A dead scanner refuses everything; nobody knows whether it would find anything."""
    done = judge_round(attempts(code), {}, PRINTS)
    assert not done.proved
    assert not done.leaks
    assert any("did not find its key" in doubt for doubt in done.doubts)


def test_the_key_of_another_file_proves_nothing() -> None:
    """The finding has to be that file's own key."""
    swapped = {FILES["pem"]: found()[FILES["limbs"]], FILES["limbs"]: found()[FILES["pem"]]}
    assert not judge_round(attempts(), swapped, PRINTS).proved


def test_a_held_canary_that_was_found_is_a_proof_of_the_scan() -> None:
    """While the controller is away the verdict is HOLD; gate and scan work all the same."""
    away = found(hold(HoldReason.CONTROLLER_UNREACHABLE))
    assert judge_round(attempts(errno.EAGAIN), away, PRINTS).proved


def test_a_canary_in_quarantine_is_no_proof() -> None:
    """It would fill the store: a policy engine that does not know canaries is told."""
    moved = found(Decision(Verdict.QUARANTINE))
    (doubt,) = judge_round(attempts(), moved, PRINTS).doubts
    assert "QUARANTINE" in doubt


@pytest.mark.parametrize("code", [errno.ENOENT, errno.EIO, errno.ETIMEDOUT, errno.EOPNOTSUPP])
def test_an_undocumented_error_is_said(code: int) -> None:
    """An open fails with the documented errno or something is wrong."""
    done = judge_round(attempts(code), found(), PRINTS)
    assert not done.proved
    assert any(os.strerror(code) in doubt for doubt in done.doubts)


def test_what_was_not_tried_is_not_proven() -> None:
    """A prober that dies, or leaves a way out, proves nothing."""
    assert judge_round([], {}, PRINTS, "the prober ended without an answer").doubts
    some = judge_round(attempts()[:2], found(), PRINTS)
    assert {d for d in some.doubts if "no canary was tried" in d} == {
        "no canary was tried: way sendfile",
        "no canary was tried: way namespace",
    }


CODES = st.sampled_from([0, errno.EPERM, errno.EAGAIN, errno.EBUSY, errno.ENOENT])


@given(st.lists(st.tuples(CODES, st.integers(0, 2)), min_size=4, max_size=4), st.booleans())
def test_one_byte_is_a_leak_whatever_else_is_known(
    outcomes: list[tuple[int, int]], known: object
) -> None:
    """And a round with a leak is never a proof; one without was refused everywhere."""
    tried = [
        replace(one, errno=code, bytes=count)
        for one, (code, count) in zip(attempts(), outcomes, strict=True)
    ]
    done = judge_round(tried, found() if known else {}, PRINTS)
    assert bool(done.leaks) == any(count for _, count in outcomes)
    if done.proved:
        assert known
        assert all(code in {errno.EPERM, errno.EAGAIN, errno.EBUSY} for code, _ in outcomes)


def test_two_rounds_try_every_form_by_every_way() -> None:
    """And every round every way, and every form."""
    forms = list(FILES)
    for number in range(4):
        one = set(prober.pairs(forms, number))
        assert {way for _, way in one} == set(WAYS)
        assert {form for form, _ in one} == set(forms)
        both = one | set(prober.pairs(forms, number + 1))
        assert both == {(form, way) for form in forms for way in WAYS}


# -- who looks on ------------------------------------------------------------------------------


def report_with(fingerprint: str) -> Report:
    """A report with one protected key."""
    key = Finding(
        FindingKind.PRIVATE_KEY, FindingClass.PROTECTED, "RSA", 2048, fingerprint, (), (), CANARY
    )
    return replace(a_report(), findings=(key,))


def test_a_witness_changes_nothing_and_sees_canaries_only(tmp_path: Path) -> None:
    """Questions, answers and receipts pass; files with other keys are not remembered."""
    inner = FakeDecider(str(tmp_path / "receipts"))
    witness = Witness(inner, PRINTS.values())
    assert witness.fileno() == inner.fileno()
    witness.request(1, a_transfer(inode=10), report_with(PRINTS["pem"]))
    witness.request(2, a_transfer(inode=11), report_with("sha256:" + "c" * 64))
    transfer = a_transfer(inode=12)
    witness.request(3, transfer, a_report())
    told: list[tuple[int, Decision]] = []

    def all_told() -> bool:
        told.extend(witness.collect())
        return len(told) == 3

    wait_until(all_told)
    witness.record(a_receipt(transfer, decision_on(a_report())))
    assert [job for job, _ in sorted(told, key=lambda one: one[0])] == [1, 2, 3]
    assert set(witness.seen()) == {(1, 10)}
    seen = witness.seen()[1, 10]
    assert seen.fingerprints == {PRINTS["pem"]}
    assert seen.decision == dict(told)[1]
    assert (tmp_path / "receipts").read_text()


def test_a_witness_remembers_a_bounded_number_of_files(tmp_path: Path) -> None:
    """Years of rounds cost no memory."""
    witness = Witness(FakeDecider(str(tmp_path / "receipts")), PRINTS.values())
    for inode in range(1000):
        witness.request(inode, a_transfer(inode=inode), report_with(PRINTS["pem"]))
    assert len(witness.seen()) <= 256
    assert (1, 999) in witness.seen()


# -- the prober --------------------------------------------------------------------------------


def probe(keys: CanaryKeys, mount: Path, number: int = 0, device: int | None = None) -> Any:
    """What a prober says of a folder that stands for a zone's mount point."""
    given = mount.stat().st_dev if device is None else device
    command = [sys.executable, "-m", "lockgate.agent.canary.prober"]
    command += ["--material", str(keys.material), "--mount", str(mount), "--device", str(given)]
    command += ["--round", str(number), "--limit", "20"]
    done = subprocess.run(command, pass_fds=(keys.material,), capture_output=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.root
@pytest.mark.parametrize("number", [0, 1])
def test_without_a_guard_every_way_leaks(keys: CanaryKeys, tmp_path: Path, number: int) -> None:
    """The detector sees each leak; nothing stays behind, also not of a killed prober."""
    store = tmp_path / HIDDEN / prober.FOLDER
    store.mkdir(parents=True)
    (store / "left over").write_bytes(b"of a killed prober")
    answer = probe(keys, tmp_path, number)
    assert answer["trouble"] == ""
    assert {one["way"] for one in answer["attempts"]} == set(WAYS)
    assert all(one["bytes"] > 0 and one["errno"] == 0 for one in answer["attempts"])
    assert list(store.iterdir()) == []
    assert store.stat().st_mode & 0o777 == 0o700


@pytest.mark.root
def test_nothing_is_written_to_another_filesystem(keys: CanaryKeys, tmp_path: Path) -> None:
    """Where the zone's mount is gone there is no canary, and that is said."""
    answer = probe(keys, tmp_path, device=tmp_path.stat().st_dev + 1)
    assert "another filesystem" in answer["trouble"]
    assert not (tmp_path / HIDDEN).exists()


@pytest.mark.root
def test_a_link_in_the_place_of_the_folder_is_not_followed(
    keys: CanaryKeys, tmp_path: Path
) -> None:
    """Whoever may write to the zone cannot lead the prober elsewhere."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / HIDDEN).symlink_to(tmp_path / "elsewhere")
    assert "no canary could be put into the zone" in probe(keys, tmp_path)["trouble"]
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.root
def test_rounds_tell_a_leak_and_keep_it_until_a_proof(keys: CanaryKeys, tmp_path: Path) -> None:
    """A later round that cannot be made does not make the leak undone."""
    directory = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    status = tmp_path.stat()
    zone = GuardedZone(
        Zone("z"), str(tmp_path), str(tmp_path), directory, status.st_dev, status.st_dev, "ext4"
    )
    done = threading.Semaphore(0)
    rounds = Rounds(keys, [zone], dict, interval_s=0.05, deadline_s=5, after=done.release)
    rounds.start()
    try:
        assert done.acquire(timeout=30)
        tried = rounds.tried("z")
        assert len(tried.leaks) == 4
        assert tried.proof_at is None
        assert rounds.counts["z", "mmap", "leaked"] >= 1
        (tmp_path / HIDDEN).rename(tmp_path / "moved")
        (tmp_path / HIDDEN).write_bytes(b"in the way")
        wait_until(lambda: rounds.tried("z").last.doubts, 30)
        assert len(rounds.tried("z").leaks) >= 4
    finally:
        rounds.close()
        os.close(directory)
