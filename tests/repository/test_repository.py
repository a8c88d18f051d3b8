"""Promises about the tree itself: namespace, layers, wheels, documents."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from lockgate.controller.release import diagram
from lockgate.controller.release.states import TRANSITIONS

ROOT = Path(__file__).resolve().parents[2]
#: Where everybody clones to, and what tests speak of.
_SHARED_FOLDERS = {"/", "/home", "/opt", "/root", "/srv", "/tmp", "/usr/src", "/var/tmp"}
DISTRIBUTIONS = {
    "rules": {"scan", "formats", "cli"},
    "proto": {"v1", "wire", "policy"},
    "agent": {"agent"},
    "controller": {"controller"},
}


def _tracked() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    return [ROOT / name for name in listing.stdout.decode().split("\0") if name]


def test_the_namespace_has_no_init() -> None:
    """No distribution may own the namespace package."""
    assert not list(ROOT.glob("*/lockgate/__init__.py"))


@pytest.mark.parametrize("folder", DISTRIBUTIONS)
def test_every_subpackage_is_typed(folder: str) -> None:
    """Each subpackage carries py.typed, so that users' type checkers see its types."""
    parts = {p.name for p in (ROOT / folder / "lockgate").iterdir() if (p / "__init__.py").exists()}

    assert parts == DISTRIBUTIONS[folder]
    assert all((ROOT / folder / "lockgate" / part / "py.typed").exists() for part in parts)


def test_the_layers_hold() -> None:
    """The import contracts of the design are kept."""
    run = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stdout


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The four wheels, built once: folder -> names inside."""
    contents = {}
    for folder in DISTRIBUTIONS:
        out = tmp_path_factory.mktemp(folder)
        command = [sys.executable, "-m", "build", "-q", "--wheel", "--no-isolation"]
        subprocess.run([*command, "--outdir", str(out), str(ROOT / folder)], check=True)
        (wheel,) = out.glob("*.whl")
        contents[folder] = set(zipfile.ZipFile(wheel).namelist())
    return contents


@pytest.mark.parametrize("folder", DISTRIBUTIONS)
def test_a_wheel_holds_its_part_and_nothing_else(folder: str, wheels: dict[str, set[str]]) -> None:
    """A wheel holds each tracked file of its part, no vectors, and no other part's files."""
    names = {n for n in wheels[folder] if ".dist-info/" not in n}
    tracked = {
        str(path.relative_to(ROOT / folder))
        for path in _tracked()
        if path.is_relative_to(ROOT / folder / "lockgate")
        and "vectors" not in path.parts
        and path.suffix != ".c"
    }
    compiled = {"lockgate/scan/native/loops.so.1"}  # where there is a compiler

    assert names - compiled == tracked


def test_no_two_wheels_share_a_file(wheels: dict[str, set[str]]) -> None:
    """The distributions can be installed together."""
    all_names = [n for names in wheels.values() for n in names]

    assert len(all_names) == len(set(all_names))


def test_requirements_name_no_registry() -> None:
    """The locks are hashes and versions only."""
    for lock in (ROOT / "requirements").glob("*.txt"):
        text = lock.read_text()
        pinned = re.findall(r"^[a-z0-9][^=\s]*==", text, re.MULTILINE)

        assert "://" not in text
        assert len(pinned) <= text.count("--hash=sha256:")


def test_no_machine_path_is_committed() -> None:
    """The tree speaks of no path of the machine it was written on."""
    is_shared = str(ROOT.parent) in _SHARED_FOLDERS
    here = f"{ROOT if is_shared else ROOT.parent}/"
    offenders = [
        path
        for path in _tracked()
        if path.is_file() and here.encode() in path.read_bytes() and path.suffix != ".png"
    ]

    assert offenders == []


def test_the_tables_are_fresh() -> None:
    """docs/tables.md says what the code says."""
    tables = runpy.run_path(str(ROOT / "tests" / "repository" / "tables.py"))

    assert (ROOT / "docs" / "tables.md").read_text() == tables["render"]()


def test_the_states_of_releases_are_fresh() -> None:
    """docs/releases.md draws the machine that runs, every transition of it."""
    page = (ROOT / "docs" / "releases.md").read_text()

    assert diagram.put_into(page) == page
    drawn = re.findall(r"^    (\w+) --> (\w+): (\S+)$", page, re.MULTILINE)
    assert sorted(drawn) == sorted(
        (state.value.replace("-", "_"), target.value.replace("-", "_"), action.value)
        for (state, action), target in TRANSITIONS.items()
    )


def test_every_link_between_documents_resolves() -> None:
    """A relative link in a document points at a file that exists."""
    links = [
        (page, target)
        for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    ]
    broken = [
        f"{page.name}: {target}" for page, target in links if not (page.parent / target).exists()
    ]

    assert broken == []
