"""The published test keys: private keys that everybody has, known by their public half.

Rules enforced here:

1. The list holds fingerprints and where each was found, never a private byte.
2. It is made by ``rules/collect_test_keys.py`` from installed programs and standards.
"""

from __future__ import annotations

from functools import cache
from importlib import resources


def is_published(fingerprint: str) -> bool:
    """Whether the key of this fingerprint is a published test key."""
    return fingerprint in published_keys()


@cache
def published_keys() -> dict[str, str]:
    """Fingerprint to origin of every key of the shipped list."""
    text = (resources.files("lockgate.formats") / "published_test_keys.txt").read_text("utf-8")
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return {fingerprint: origin for fingerprint, _, origin in (x.partition(" ") for x in lines)}
