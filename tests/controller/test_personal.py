"""Commitments to personal fields."""

import hashlib
import json

from lockgate.controller.personal import personal
from lockgate.wire.transfer import Opener


def test_a_commitment_can_be_opened_with_salt_and_text():
    """Whoever has the clear text and the salt can show what was committed to."""
    clear = personal("/zone/a", Opener(pid=1, uid=2))
    text = json.dumps([clear.path, clear.opener], ensure_ascii=False, separators=(",", ":"))
    expected = hashlib.sha256(clear.salt + text.encode()).hexdigest()
    assert clear.commitment == f"sha256:{expected}"


def test_equal_values_have_different_commitments():
    """Nobody can find a person by hashing guesses, or tell that two entries name the same one."""
    made = {personal("/home/jane", None).commitment for _ in range(50)}
    assert len(made) == 50
