"""Of many random keys in each layout of memory hardly any is lost to chance."""

from __future__ import annotations

import random

import pytest
from tests.scan.search.losses import measure


@pytest.mark.parametrize("keys", [20, pytest.param(1000, marks=pytest.mark.soak)])
def test_hardly_a_key_is_lost_to_chance(keys):
    """Of those of which only d is left one of 200 goes unseen; of the others one of 2,000."""
    losses = list(measure(keys, random.Random(keys)))
    d_alone = [loss for loss in losses if loss.layout.startswith("RSA, d ")]
    others = [loss for loss in losses if loss not in d_alone]

    assert sum(loss.missed for loss in d_alone) <= 0.02 * sum(loss.keys for loss in d_alone)
    assert sum(loss.missed for loss in others) <= 0.002 * sum(loss.keys for loss in others)
    assert not any(loss.false for loss in losses)
