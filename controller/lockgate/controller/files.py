"""Putting a file in its place so that no reader and no power cut sees a part of it."""

from __future__ import annotations

import os
from pathlib import Path


def replace(target: Path, content: bytes) -> None:
    """Put ``content`` there in one step, synced; folders are made for their owner only."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}.new")
    with fresh.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(target)
    descriptor = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
