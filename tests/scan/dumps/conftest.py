"""Memory with planted keys, made once."""

from __future__ import annotations

import pytest
from tests.scan.dumps.planted import Planted, plant


@pytest.fixture(scope="session")
def planted() -> Planted:
    """Memory that holds one RSA key as limbs and another as PEM text."""
    return plant()
