"""All tables: importing this module fills the metadata, one line for each part that has tables."""

from __future__ import annotations

import lockgate.controller.changes.schema
import lockgate.controller.hooks.schema
import lockgate.controller.incidents.schema
import lockgate.controller.ledger.schema
import lockgate.controller.passports.schema
import lockgate.controller.people.schema
import lockgate.controller.policies.schema
import lockgate.controller.registry.schema
import lockgate.controller.release.schema
import lockgate.controller.retention.schema
import lockgate.controller.stream.schema
import lockgate.controller.triage.schema  # noqa: F401
from lockgate.controller.store.schema import metadata

__all__ = ["metadata"]
