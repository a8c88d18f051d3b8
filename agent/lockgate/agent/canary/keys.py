"""The canaries of one run of the agent, as the agent holds them: public halves and a descriptor.

Rules enforced here:

1. The agent's own memory never holds a private half: they lie in a file in memory that only
   the prober reads, and that ends with the agent.
2. The public halves are registered with the scan workers before these start.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lockgate.policy.canary import CANARY

_FORMS = ("pem", "limbs")
_PATIENCE_S = 60.0
_PROGRAM = "lockgate.agent.canary.material"


class CanaryError(Exception):
    """Canaries could not be made; the text says why."""


@dataclass(frozen=True, slots=True)
class CanaryKeys:
    """``material`` is the descriptor with the private forms; ``registry`` names the public ones.

    ``fingerprints``: of each form's key, as scans report them.
    """

    material: int
    registry: Path
    fingerprints: Mapping[str, str]

    def close(self) -> None:
        """Forget the keys."""
        os.close(self.material)


def make_keys(state_dir: Path) -> CanaryKeys:
    """Fresh canaries, and their registry file in ``state_dir``.

    Raises:
        CanaryError: they could not be made.
        OSError: the registry could not be written.
    """
    material = os.memfd_create("lockgate-canary", os.MFD_CLOEXEC)
    try:
        public = _make(material)
        registry = state_dir / "canary.toml"
        registry.write_text("".join(_entry(spki) for spki in public), "ascii")
    except BaseException:
        os.close(material)
        raise
    prints = (hashlib.sha256(base64.b64decode(spki)).hexdigest() for spki in public)
    known = {form: f"sha256:{digest}" for form, digest in zip(_FORMS, prints, strict=True)}
    return CanaryKeys(material, registry, known)


def _make(material: int) -> list[str]:
    """Have them made by a process of their own; what is public of them."""
    command = [sys.executable, "-m", _PROGRAM, "--into", str(material)]
    try:
        done = subprocess.run(
            command,
            pass_fds=(material,),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE_S,
            cwd="/",
            check=True,
        )
        spki: list[str] = json.loads(done.stdout)["spki"]
    except (subprocess.SubprocessError, ValueError, KeyError) as error:
        raise CanaryError(f"canary keys could not be made ({type(error).__name__})") from None
    return spki


def _entry(spki: str) -> str:
    return f'[[key]]\nname = "{CANARY}"\nspki = "{spki}"\n'
