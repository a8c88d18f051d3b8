"""The kinds of changes of this controller: one line for each."""

from __future__ import annotations

from lockgate.controller.changes.kinds import Kinds
from lockgate.controller.hooks.change import RevokeChange
from lockgate.controller.hosts.restoring import RestoreChange
from lockgate.controller.people.change import PersonChange
from lockgate.controller.policies.change import PolicyChange
from lockgate.controller.registry.change import ProtectedKeyChange
from lockgate.controller.retention.changes import ErasureChange, LegalHoldChange, RetentionChange
from lockgate.controller.triage.change import TriageChange

ALL = Kinds(
    ProtectedKeyChange(),
    RestoreChange(),
    RevokeChange(),
    TriageChange(),
    PersonChange(),
    PolicyChange(),
    RetentionChange(),
    LegalHoldChange(),
    ErasureChange(),
)
