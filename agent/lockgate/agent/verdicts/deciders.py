"""Who decides for this agent: the controller, or the policy on this host."""

from __future__ import annotations

from typing import TypeAlias

from lockgate.agent.config import AgentSettings
from lockgate.agent.uplink.client import ClientSettings, ControllerDecider
from lockgate.agent.uplink.identity import Credentials
from lockgate.agent.uplink.spool import Spool
from lockgate.agent.verdicts.journal import Journal
from lockgate.agent.verdicts.local import LocalDecider
from lockgate.policy import Policy, decide, default_policy
from lockgate.policy import load as load_policy

AnyDecider: TypeAlias = ControllerDecider | LocalDecider


def decider_of(settings: AgentSettings, *, local: bool) -> AnyDecider:
    """Who decides: the controller, or with ``local`` the policy on this host.

    Raises:
        CredentialsError: this host is not enrolled.
        PolicyError: the policy cannot be used.
    """
    state = settings.state_dir
    if local:
        files = settings.policy_files
        policy: Policy = load_policy(files) if files else default_policy()
        return LocalDecider(
            lambda report, transfer, now: decide(report, transfer, policy, now),
            Journal(state / "journal"),
        )
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
