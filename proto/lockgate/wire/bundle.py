"""Bundles: a policy or a rule pack, signed, so that a host can keep it and trust it offline.

Rules enforced here:

1. A bundle is a statement in a DSSE envelope (v1) over the SHA-256 of the content, which travels
   beside it. Other content, another kind or another installation's bundle is refused.
2. Rollback: a version below the last one accepted is refused, and so is another content under the
   same version.
3. Freeze: a bundle has an end, and is refused from then on. The clock that counts is the later
   of the host's and of the issue of the last bundle accepted, so that a clock set back revives
   nothing; a bundle from the future is refused.
4. Mix and match: a policy names the rule packs that it was made for, and is refused beside any
   other; a rule pack names itself.
5. Verification is total: whatever is not a bundle to use now is a :class:`BundleError`.

The threats and their names are those of The Update Framework (TUF specification, section 1.5.2).
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from lockgate.scan.words import Word
from lockgate.wire import dsse

PAYLOAD_TYPE = "application/vnd.lockgate.bundle+json"
STATEMENT_TYPE = "https://lockgate.dev/bundle/v1"
#: How far a host's clock may be behind the signer's.
SKEW = timedelta(minutes=5)
MOST_RULE_PACKS = 16

_TIME = "%Y-%m-%dT%H:%M:%SZ"
_HEX = re.compile(r"[0-9a-f]{64}")
_RULE_PACK = re.compile(r"sha256:[0-9a-f]{64}")
_LARGEST_VERSION = 2**53 - 1  # what every reader of JSON keeps exactly
_FIELDS = frozenset(
    {"_type", "kind", "installation", "version", "sha256", "rulePacks", "issued", "expires"}
)


class BundleKind(Word):
    """What is in a bundle."""

    POLICY = "policy", "The documents of a policy."
    RULE_PACK = "rule-pack", "Rules and what belongs to them."


class BundleFault(Word):
    """Why a bundle is refused."""

    SIGNATURE = "signature", "It is no envelope that this key has signed."
    FORM = "form", "What was signed is no statement of this kind and version."
    KIND = "kind", "It holds another kind of thing."
    INSTALLATION = "installation", "It was made for another installation."
    CONTENT = "content", "The content beside it is not the one that was signed."
    ROLLBACK = "rollback", "A newer version was accepted before, or other content under this one."
    FREEZE = "freeze", "Its time is over: somebody keeps newer ones back, or nobody made one."
    FUTURE = "future", "It was issued later than now."
    RECORD = "record", "What was kept of the last one cannot be read; somebody has to look."
    MIX_AND_MATCH = "mix-and-match", "It was made for other rule packs than the one in use."


class BundleError(Exception):
    """A bundle that is not used; ``fault`` says why."""

    def __init__(self, fault: BundleFault) -> None:
        super().__init__(f"{fault.value}: {fault.explanation}")
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Bundle:
    """What was signed. ``sha256`` is that of the content, hex; times are UTC, whole seconds."""

    kind: BundleKind
    installation: str
    version: int
    sha256: str
    rule_packs: tuple[str, ...]
    issued: datetime
    expires: datetime

    def __post_init__(self) -> None:
        well_formed = (
            0 < self.version <= _LARGEST_VERSION
            and _HEX.fullmatch(self.sha256)
            and 0 < len(self.rule_packs) <= MOST_RULE_PACKS
            and all(_RULE_PACK.fullmatch(pack) for pack in self.rule_packs)
            and self.issued < self.expires
        )
        if not well_formed:
            raise ValueError("not a bundle: version, digest, rule packs or times")


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a host remembers of the last bundle of a kind that it accepted."""

    version: int
    sha256: str
    issued: datetime

    def to_json(self) -> dict[str, Any]:
        """As a host keeps it."""
        issued = self.issued.astimezone(UTC).strftime(_TIME)
        return {"version": self.version, "sha256": self.sha256, "issued": issued}

    @classmethod
    def from_json(cls, said: Any) -> Accepted:
        """The inverse of :meth:`to_json`.

        Raises:
            BundleError: it cannot be read, and newer cannot be told from older any more.
        """
        try:
            return cls(int(said["version"]), str(said["sha256"]), _time(said["issued"]))
        except (KeyError, TypeError, ValueError):
            raise BundleError(BundleFault.RECORD) from None


@dataclass(frozen=True, slots=True)
class Expected:
    """What a host takes.

    ``installation``: None before the first one is known. ``rule_pack``: the one in use; None for a
    rule pack itself, and where none is known yet.
    """

    kind: BundleKind
    installation: str | None
    rule_pack: str | None
    last: Accepted | None


def sign(bundle: Bundle, key: Ed25519PrivateKey) -> bytes:
    """The envelope of a bundle, as JSON."""
    statement = {
        "_type": STATEMENT_TYPE,
        "kind": bundle.kind.value,
        "installation": bundle.installation,
        "version": bundle.version,
        "sha256": bundle.sha256,
        "rulePacks": list(bundle.rule_packs),
        "issued": bundle.issued.astimezone(UTC).strftime(_TIME),
        "expires": bundle.expires.astimezone(UTC).strftime(_TIME),
    }
    return dsse.sign(PAYLOAD_TYPE, statement, key)


def verify(
    envelope: bytes, content: bytes, key: Ed25519PublicKey, expected: Expected, now: datetime
) -> Bundle:
    """The bundle in ``envelope``, if ``content`` may be used now.

    Raises:
        BundleError: it may not.
    """
    try:
        bundle = _read(dsse.opened(PAYLOAD_TYPE, envelope, key))
    except dsse.EnvelopeError:
        raise BundleError(BundleFault.SIGNATURE) from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BundleError(BundleFault.FORM) from None
    fault = _fault(bundle, hashlib.sha256(content).hexdigest(), expected, now)
    if fault is not None:
        raise BundleError(fault)
    return bundle


def accepted(bundle: Bundle) -> Accepted:
    """What to remember of a bundle that was verified."""
    return Accepted(bundle.version, bundle.sha256, bundle.issued)


def _fault(bundle: Bundle, sha256: str, expected: Expected, now: datetime) -> BundleFault | None:
    """Why a bundle with a good signature is not used."""
    last = expected.last
    time = max(now, last.issued) if last else now
    other_pack = expected.rule_pack is not None and expected.rule_pack not in bundle.rule_packs
    elsewhere = expected.installation not in {None, bundle.installation}
    checks = (
        (BundleFault.KIND, bundle.kind is not expected.kind),
        (BundleFault.INSTALLATION, elsewhere),
        (BundleFault.CONTENT, bundle.sha256 != sha256),
        (BundleFault.ROLLBACK, last is not None and _is_older(bundle, last)),
        (BundleFault.FUTURE, bundle.issued > time + SKEW),
        (BundleFault.FREEZE, bundle.expires <= time),
        (BundleFault.MIX_AND_MATCH, other_pack),
    )
    return next((fault for fault, failed in checks if failed), None)


def _is_older(bundle: Bundle, last: Accepted) -> bool:
    same = bundle.version == last.version
    return bundle.version < last.version or (same and bundle.sha256 != last.sha256)


def _read(payload: bytes) -> Bundle:
    """The statement of a payload.

    Raises:
        ValueError, KeyError, TypeError, RecursionError: it is none.
    """
    said: dict[str, Any] = json.loads(payload, object_pairs_hook=_once)
    if set(said) != _FIELDS or said["_type"] != STATEMENT_TYPE:
        raise ValueError("not a bundle: fields")
    texts = [said[name] for name in ("kind", "installation", "sha256")] + [*said["rulePacks"]]
    if type(said["version"]) is not int or not all(isinstance(text, str) for text in texts):
        raise TypeError("not a bundle: types")
    return Bundle(
        kind=BundleKind(said["kind"]),
        installation=said["installation"],
        version=said["version"],
        sha256=said["sha256"],
        rule_packs=tuple(said["rulePacks"]),
        issued=_time(said["issued"]),
        expires=_time(said["expires"]),
    )


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; one with a repeated name means different things to different readers."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("not a bundle: a name stands twice")
    return found


def _time(text: str) -> datetime:
    return datetime.strptime(text, _TIME).replace(tzinfo=UTC)
