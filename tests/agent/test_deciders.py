"""Which policy decides for which zone of a host without a controller."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "fakes"))

from transfers import a_report, a_transfer

from lockgate.agent.config import AgentSettings, ZoneSettings
from lockgate.agent.verdicts.deciders import rule_of
from lockgate.policy import PolicyError
from lockgate.wire.transfer import Verdict, Zone

POLICY = """
apiVersion: lockgate.dev/v1
kind: TransferPolicy
metadata: {name: p}
spec:
  rules:
    - {name: every, expression: 'true', verdict: %s}
---
apiVersion: lockgate.dev/v1
kind: TransferPolicyBinding
metadata: {name: b}
spec: {policyName: p, actions: [Deny]}
"""


def policy(folder: Path, verdict: str) -> Path:
    """A policy that always says the same."""
    path = folder / f"{verdict}.yaml"
    path.write_text(POLICY % verdict)
    return path


def verdict_in(zone: str, settings: AgentSettings) -> Verdict:
    """What is decided about a clean file of a zone."""
    transfer = replace(a_transfer(), zone=Zone(zone))
    return rule_of(settings)(a_report(), transfer, datetime.now(UTC)).verdict


def test_a_zone_is_decided_by_its_own_policies_and_by_no_others(tmp_path: Path) -> None:
    """A zone without any is decided by the agent's; so is what belongs to no zone."""
    settings = AgentSettings(
        zones=(
            ZoneSettings(Path("/srv/a"), policy_files=(policy(tmp_path, "BLOCK"),)),
            ZoneSettings(Path("/srv/b")),
        ),
        policy_files=(policy(tmp_path, "HOLD"),),
    )
    assert verdict_in("a", settings) is Verdict.BLOCK
    assert verdict_in("b", settings) is Verdict.HOLD
    assert verdict_in("elsewhere", settings) is Verdict.HOLD


def test_without_any_policy_the_shipped_one_decides() -> None:
    """A clean file may pass."""
    settings = AgentSettings(zones=(ZoneSettings(Path("/srv/a")),))
    assert verdict_in("a", settings) is Verdict.ALLOW


def test_a_zones_policy_is_loaded_before_anything_is_decided(tmp_path: Path) -> None:
    """A file that is not there is an error at once."""
    zone = ZoneSettings(Path("/srv/a"), policy_files=(tmp_path / "missing.yaml",))
    with pytest.raises(PolicyError, match="missing"):
        rule_of(AgentSettings(zones=(zone,)))
