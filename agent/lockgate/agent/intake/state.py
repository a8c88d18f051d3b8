"""How the intake is, from one small file that it keeps writing.

Rules enforced here:

1. Asking costs reading one file; nothing is connected to and nothing waits.
2. An intake that does not write any more does not serve any more, whatever it last wrote.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lockgate.agent.intake.pattern import SETTING_NAME
from lockgate.scan.names import escape_name

STATE_NAME = "intake.json"
#: An intake that has not written for so long hangs (seconds).
STALE_S = 10.0


@dataclass(frozen=True, slots=True)
class IntakeState:
    """``enabled``: core_pattern was set to it. ``pid`` 0: no intake serves.

    ``drift``: what core_pattern is instead of what was set, None when it is that.
    ``taken_in`` and ``not_kept`` count since the intake began.
    """

    enabled: bool = False
    pid: int = 0
    drift: str | None = None
    receiving: int = 0
    taken_in: int = 0
    not_kept: dict[str, int] = field(default_factory=dict)

    def weaknesses(self) -> Iterator[str]:
        """What is wrong, for status and health; nothing for a host without intake."""
        if self.enabled and not self.pid:
            yield "the intake does not serve: core dumps are lost, none is written anywhere"
        if self.drift is not None:
            found = escape_name(self.drift)
            yield f"core_pattern is not what the intake set: it is {found!r}"


def state(run_dir: Path, state_dir: Path) -> IntakeState:
    """How the intake of these folders is."""
    enabled = (state_dir / SETTING_NAME).exists()
    path = run_dir / STATE_NAME
    with suppress(OSError, ValueError, TypeError):
        if time.time() - path.stat().st_mtime < STALE_S:
            known = json.loads(path.read_bytes())
            return IntakeState(**{**known, "enabled": enabled})
    return IntakeState(enabled=enabled)


def write_state(run_dir: Path, found: IntakeState) -> None:
    """Say how the intake is; not durable, since it is about now.

    Raises:
        OSError: the disk refused.
    """
    fresh = run_dir / f".{STATE_NAME}"
    fresh.write_text(json.dumps(asdict(found)), "ascii")
    fresh.chmod(0o600)
    fresh.replace(run_dir / STATE_NAME)
