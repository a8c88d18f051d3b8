"""How long to wait before trying again. Pure.

Rules enforced here:

1. Pauses double up to a bound, and no two hosts take the same: a controller that is back is not
   called by everybody at once.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses between ``first_s`` and ``longest_s`` seconds."""

    first_s: float = 2.0
    longest_s: float = 30.0

    def pause(self, failures: int, chance: float) -> float:
        """Seconds after so many failures in a row; ``chance`` is drawn from 0 to 1 evenly."""
        most = min(self.longest_s, self.first_s * float(1 << min(failures, 16)))
        return most * (0.5 + chance / 2)
