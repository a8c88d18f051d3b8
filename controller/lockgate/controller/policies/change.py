"""The change of kind ``policy``: another policy is to decide.

Rules enforced here:

1. A wrong policy is refused as a whole when it is proposed, with its faults, and again when it is
   approved; the one before it stays.
2. While the controller's settings name files, they are the policy, and no change is made.
3. One policy goes through the rings at a time.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from lockgate.controller.appending import Ledger
from lockgate.controller.changes.kinds import Approval
from lockgate.controller.people.roles import Role
from lockgate.controller.policies import store
from lockgate.controller.policies.content import policy_of
from lockgate.controller.policies.store import Origin, PolicySource, PolicyState
from lockgate.controller.refusals import Refusal, RefusalReason
from lockgate.policy import PolicyError

#: Who may change policies.
ROLES = frozenset({Role.SECURITY, Role.ADMINISTRATOR})
_FAULTS_TOLD = 5
_LONGEST_DETAIL = 1000
_FILES = 'the settings name "policy_files"; change those, or remove them and restart'


class PolicyChange:
    """See the module."""

    name = "policy"
    roles = ROLES

    def check(self, connection: Connection, content: bytes) -> Refusal | None:
        """Whether the content is a policy that can begin now."""
        try:
            policy = policy_of(content)
        except PolicyError as error:
            return Refusal(RefusalReason.MALFORMED, faults_told(error))
        active = store.in_state(connection, PolicyState.ACTIVE)
        rolling = store.in_state(connection, PolicyState.ROLLING)
        if active is not None and active.source is PolicySource.FILES:
            return Refusal(RefusalReason.CONFLICT, _FILES)
        if rolling is not None:
            why = f"version {rolling.number} is rolling; promote it or roll it back first"
            return Refusal(RefusalReason.CONFLICT, why)
        if active is not None and active.digest == policy.digest:
            return Refusal(RefusalReason.CONFLICT, "this policy is in force")
        return None

    def summary(self, content: bytes) -> str:
        """How much it says, and its digest."""
        policy = policy_of(content)
        rules = sum(len(one.rules) for one in policy.policies)
        counts = f"{len(policy.policies)} policies, {rules} rules, {len(policy.bindings)} bindings"
        return f"{counts}; digest {policy.digest}"

    def apply(
        self,
        connection: Connection,
        ledger: Ledger,
        content: bytes,
        approval: Approval,
        now: datetime,
    ) -> None:
        """Let it begin in the first ring."""
        origin = Origin(PolicySource.CHANGE, approval.change_id, tuple(approval.people))
        store.begin(connection, ledger, content.decode(), origin, now)


def faults_told(error: PolicyError) -> str:
    """The first faults of a policy, for whoever sent it."""
    return "; ".join(map(str, error.faults[:_FAULTS_TOLD]))[:_LONGEST_DETAIL]
