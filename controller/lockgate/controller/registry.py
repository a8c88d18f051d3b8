"""The controller's own list of protected keys.

Rules enforced here:

1. A finding whose fingerprint is registered is of class ``protected`` and carries the
   registered name, whatever the agent said; nothing here lowers a class.
2. Only public halves and fingerprints are ever loaded.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path

from lockgate.scan.registry import Registry
from lockgate.scan.report import Finding, FindingClass, Proof, Report


class ProtectedKeys:
    """Fingerprints of protected keys and their names."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = dict(names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, fingerprint: str) -> bool:
        return fingerprint in self._names

    def apply(self, report: Report) -> Report:
        """The report with every registered key raised to ``protected``."""
        findings = tuple(self._raise(finding) for finding in report.findings)
        return dataclasses.replace(report, findings=findings)

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


def load(files: Iterable[Path]) -> ProtectedKeys:
    """The protected keys of registry files.

    Raises:
        RegistryError: a file is not a registry.
    """
    return ProtectedKeys({key.fingerprint: key.name for key in Registry.load(files)})
