"""Who decides for this agent: the controller, or the policies on this host.

Rules enforced here: all policies are loaded before anything is guarded; a zone with policies of
its own is decided by those alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

from lockgate.agent.config import AgentSettings
from lockgate.agent.uplink.client import ClientSettings, ControllerDecider
from lockgate.agent.uplink.identity import Credentials
from lockgate.agent.uplink.spool import Spool
from lockgate.agent.verdicts.journal import Journal
from lockgate.agent.verdicts.local import LocalDecider, Rule
from lockgate.policy import Policy, decide, default_policy
from lockgate.policy import load as load_policy
from lockgate.scan.report import Report
from lockgate.wire.transfer import Decision, Transfer

AnyDecider: TypeAlias = ControllerDecider | LocalDecider


def decider_of(settings: AgentSettings, *, local: bool) -> AnyDecider:
    """Who decides: the controller, or with ``local`` the policy on this host.

    Raises:
        CredentialsError: this host is not enrolled.
        PolicyError: the policy cannot be used.
    """
    state = settings.state_dir
    if local:
        return LocalDecider(rule_of(settings), Journal(state / "journal"))
    chosen = settings.controller
    credentials = Credentials(state, chosen.address, chosen.enrolment_address)
    client = ClientSettings(
        host=credentials.host,
        state_dir=state,
        answer_within_s=chosen.answer_within_seconds,
        spool_bytes=chosen.spool_bytes,
    )
    spool = Spool(state / "spool", limit=chosen.spool_bytes)
    return ControllerDecider(client, credentials, spool, Journal(state / "journal"))


def rule_of(settings: AgentSettings) -> Rule:
    """The policies of this host: each zone's own, for all others the agent's.

    Raises:
        PolicyError: one of them cannot be used.
    """
    common = _policy_of(settings.policy_files)
    own = {z.zone.name: _policy_of(z.policy_files) for z in settings.zones if z.policy_files}

    def rule(report: Report, transfer: Transfer, now: datetime) -> Decision:
        return decide(report, transfer, own.get(transfer.zone.name, common), now)

    return rule


def _policy_of(files: Sequence[Path]) -> Policy:
    return load_policy(files) if files else default_policy()
