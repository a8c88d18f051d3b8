"""Reports and transfers made from a few words, for tests of policies and for comparing them.

Rules enforced here:

1. What is not said is ordinary: a file of 4 KiB, wholly read by a standard scan, about to be
   opened on a host of the zone ``zone``.
2. A sample holds nothing of any real file, host or person.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from lockgate.scan.report import (
    EngineInfo,
    Finding,
    FindingClass,
    FindingKind,
    Gap,
    GapReason,
    Occurrence,
    Proof,
    Report,
)
from lockgate.wire.transfer import Boundary, FileIdentity, Opener, Transfer, Zone

#: The moment at which samples are decided unless said otherwise.
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)

_SIZE = 4096
_PATH = "/zone/file"
_ID = "00000000-0000-7000-8000-000000000000"
_SHA256 = "5a" * 32
_KINDS = {
    FindingClass.CREDENTIAL: FindingKind.CREDENTIAL,
    FindingClass.SESSION: FindingKind.SYMMETRIC_KEY,
    FindingClass.ENCRYPTED: FindingKind.ENCRYPTED_KEY,
}


def finding(
    class_: FindingClass,
    *,
    number: int = 0,
    kind: FindingKind | None = None,
    algorithm: str = "RSA",
    bits: int = 2048,
    form: str = "pem",
    member: str | None = None,
    protected_name: str | None = None,
) -> Finding:
    """A finding; ``number`` tells the keys of one report apart."""
    registered = "registered-key" if class_ is FindingClass.PROTECTED else None
    return Finding(
        kind=kind or _KINDS.get(class_, FindingKind.PRIVATE_KEY),
        class_=class_,
        algorithm=algorithm,
        bits=bits,
        fingerprint=f"sha256:{number:064x}",
        proof=(Proof.RSA_FACTORS,),
        occurrences=(Occurrence(form, 0, 1, member),),
        protected_name=protected_name or registered,
    )


def report(
    findings: Sequence[Finding] = (),
    gaps: Sequence[GapReason] = (),
    *,
    read: bool = True,
    size: int = _SIZE,
    profile: str = "standard",
    rule_pack: str = "rules",
    searches: Sequence[str] = ("markers",),
    strict: bool = False,
) -> Report:
    """A report; ``read`` False: the content could not be read to its end."""
    return Report(
        path=_PATH,
        sha256=_SHA256 if read else None,
        size=size,
        findings=tuple(findings),
        gaps=tuple(Gap(reason) for reason in gaps),
        bytes_scanned=size,
        seconds=0.0,
        engine=EngineInfo("0", rule_pack, profile, tuple(searches)),
        strict=strict,
    )


def transfer(
    *,
    zone: str = "zone",
    signing: bool = False,
    host: str = "host",
    boundary: Boundary = Boundary.OPEN,
    path: str = _PATH,
    size: int = _SIZE,
    opener: Opener | None = None,
    now: datetime = NOW,
) -> Transfer:
    """A transfer of a file of ``size`` bytes."""
    return Transfer(
        transfer_id=_ID,
        zone=Zone(zone, signing=signing),
        host=host,
        boundary=boundary,
        path=path,
        identity=FileIdentity(0, 0, size, 0, 0),
        opener=opener,
        attempt_time=now,
    )
