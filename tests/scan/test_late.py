"""A worker without a file system can import nothing more: the list of late imports is complete."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lockgate import formats, scan
from lockgate.scan import late

_FOLDERS = [Path(path) for package in (scan, formats) for path in package.__path__]
_FILES = sorted(path for folder in _FOLDERS for path in folder.rglob("*.py"))


def _imports_inside_functions(tree: ast.AST) -> Iterator[str]:
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Import):
                    yield from (alias.name for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and node.module:
                    yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """What is imported once a scanner has been made."""
    program = (
        "import sys; from lockgate.formats.scanner import standard_scanner; standard_scanner();"
        "print('\\n'.join(sys.modules))"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    return set(shown.stdout.decode().split())


@pytest.mark.parametrize("path", _FILES, ids=lambda path: "/".join(path.parts[-3:]))
def test_every_late_import_is_listed(path: Path, loaded: set[str]) -> None:
    """Either the module itself, or the one that a name is taken from."""
    known = {*late.MODULES, *loaded}
    for name in _imports_inside_functions(ast.parse(path.read_text())):
        assert name in known or name.rpartition(".")[0] in known, name


def test_nothing_is_listed_that_a_scan_has_anyway(loaded: set[str]) -> None:
    """What stands in the list costs nothing until it is needed."""
    assert loaded.isdisjoint(late.MODULES)
