"""Every way out that the suite knows, by family; importing this package declares them."""

from __future__ import annotations

from tests.conformance.ways import (
    copies,
    descriptors,
    execution,
    mounts,
    namespaces,
    names,
    older,
    opens,
    overlays,
    races,
    reads,
    servers,
    storage,
    swaps,
    tools,
)
from tests.conformance.way import WAYS

__all__ = ["WAYS"]
