"""Bounds of the fields of ``transfer.proto``."""

from __future__ import annotations

from lockgate.wire.bounds.bound import HEX_OR_EMPTY, NAME, PATH, SENTENCE, SHORT, UUID, Bound
from lockgate.wire.convert.transfer import MOST_PARENTS, MOST_WARNINGS
from lockgate.wire.convert.values import PATH_TEXT, SENTENCE_TEXT

BOUNDS = {
    "Zone.name": NAME,
    "Opener.executable": PATH,
    "Opener.command": PATH,
    "Opener.cgroup": PATH,
    "Opener.parents": Bound(PATH_TEXT, items=MOST_PARENTS),
    "Opener.user": SHORT,
    "Opener.login_user": SHORT,
    "Opener.unit": SHORT,
    "Opener.container": SHORT,
    "Opener.ssh_peer": SHORT,
    "Transfer.transfer_id": UUID,
    "Transfer.host": NAME,
    "Transfer.path": PATH,
    "Decision.rule": SHORT,
    "Decision.message": SENTENCE,
    "Decision.warnings": Bound(SENTENCE_TEXT, items=MOST_WARNINGS),
    "Decision.policy_digest": HEX_OR_EMPTY,
    "Decision.wait_for": SHORT,
    "Receipt.transfer_id": UUID,
    "Receipt.quarantine_id": SHORT,
    "Receipt.quarantine_path": PATH,
    "Receipt.detail": SENTENCE,
    "Receipt.path": PATH,
}
