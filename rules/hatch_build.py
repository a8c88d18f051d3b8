"""Compile the hot loops of the scanner where there is a C compiler; do without otherwise.

Run by hatchling for wheels and editable installs, and by hand: ``python rules/hatch_build.py``.
A wheel is a platform wheel only when it carries the library.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # by hand, where the build back end is not installed
    BuildHookInterface = object

_FOLDER = Path(__file__).parent / "lockgate" / "scan" / "native"
_NAME = "loops.so.1"
_FLAGS = ("-std=c11", "-O3", "-fPIC", "-shared", "-fvisibility=default", "-Wall", "-Wextra")
#: SSE 4.2 and POPCNT: every 64-bit x86 server since 2009.
_BASELINE = {"x86_64": ("-march=x86-64-v2",)}


def compile_loops() -> Path | None:
    """The shared library, made from all C files; None without a compiler that makes it."""
    target = _FOLDER / _NAME
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    sources = sorted(_FOLDER.glob("*.c"))
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    if compiler is None or sys.platform != "linux" or not sources:
        return None
    new = target.with_name(f".{target.name}.{os.getpid()}")
    baseline = _BASELINE.get(platform.machine(), ())
    told = f'-DLOCKGATE_SOURCES="{digest}"'
    command = [*compiler.split(), *_FLAGS, *baseline, told, "-o", new, *sources]
    try:
        subprocess.run(command, check=True)
        new.replace(target)
    except (OSError, subprocess.CalledProcessError):
        new.unlink(missing_ok=True)
        return None
    return target


class LoopsHook(BuildHookInterface):  # type: ignore[misc,valid-type,unused-ignore]
    """Adds the library to what is built."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it gathers files; ``version`` is the kind of build."""
        library = compile_loops()
        if library is None or version == "editable":
            return
        tag = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{tag}"
        build_data["artifacts"].append(f"lockgate/scan/native/{_NAME}")


if __name__ == "__main__":
    sys.exit(compile_loops() is None)
