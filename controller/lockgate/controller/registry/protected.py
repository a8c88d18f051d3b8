"""The protected keys as decisions use them. Pure.

Rules enforced here:

1. A finding whose fingerprint is registered is of class ``protected`` and carries the
   registered name, whatever the agent said; nothing here lowers a class.
2. No key has the name of the agents' canaries: what has it makes no incident and pages nobody.
3. A key that is seen in a zone which its registration does not name is misplaced. Of a key
   without zones nothing is said.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path

from lockgate.policy.canary import CANARY
from lockgate.scan.protected import KeyRecord, ProtectedKey
from lockgate.scan.registry import Registry, RegistryError
from lockgate.scan.report import Finding, FindingClass, Proof, Report

_NO_RECORD = KeyRecord()


class ProtectedKeys:
    """Fingerprints of protected keys, their names, and what people wrote down of them."""

    def __init__(
        self, names: Mapping[str, str], records: Mapping[str, KeyRecord] | None = None
    ) -> None:
        self._names = dict(names)
        self._records = dict(records or {})

    @classmethod
    def of(cls, keys: Iterable[ProtectedKey]) -> ProtectedKeys:
        """These keys; of two with one fingerprint the last."""
        listed = list(keys)
        return cls(
            {key.fingerprint: key.name for key in listed},
            {key.fingerprint: key.record for key in listed},
        )

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, fingerprint: str) -> bool:
        return fingerprint in self._names

    def name_of(self, fingerprint: str) -> str | None:
        """The registered name; None when it is not registered."""
        return self._names.get(fingerprint)

    def record_of(self, fingerprint: str) -> KeyRecord:
        """What is written down of a key; an empty record for one that is not registered."""
        return self._records.get(fingerprint, _NO_RECORD)

    def hooks(self) -> frozenset[str]:
        """The names of all hooks that registrations name."""
        return frozenset(name for record in self._records.values() for name in record.hooks)

    def apply(self, report: Report) -> Report:
        """The report with every registered key raised to ``protected``."""
        findings = tuple(self._raise(finding) for finding in report.findings)
        return dataclasses.replace(report, findings=findings)

    def misplaced(self, report: Report, zone: str) -> frozenset[str]:
        """The fingerprints of a report that may not be in ``zone``."""
        return frozenset(
            finding.fingerprint
            for finding in report.findings
            if (zones := self.record_of(finding.fingerprint).zones) and zone not in zones
        )

    def _raise(self, finding: Finding) -> Finding:
        name = self._names.get(finding.fingerprint)
        if name is None:
            return finding
        proof = finding.proof
        return dataclasses.replace(
            finding,
            class_=FindingClass.PROTECTED,
            protected_name=name,
            proof=proof if Proof.REGISTERED in proof else (*proof, Proof.REGISTERED),
        )


def load(files: Iterable[Path]) -> tuple[ProtectedKey, ...]:
    """The protected keys of registry files.

    Raises:
        RegistryError: a file is not a registry, or names a key as canaries are named.
    """
    keys = Registry.load(files).keys
    refuse_reserved(keys)
    return keys


def refuse_reserved(keys: Iterable[ProtectedKey]) -> None:
    """Refuse a key that would count as a canary.

    Raises:
        RegistryError: there is one.
    """
    if any(key.name == CANARY for key in keys):
        raise RegistryError(f'"{CANARY}" is the name of canaries; call the key something else')
