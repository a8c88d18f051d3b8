"""What a round of canaries shows about a zone: pure.

Rules enforced here:

1. One byte is a leak, whatever else is known.
2. A refusal proves something only when the scan found the key in that very file. A refusal by
   a guard whose scanner is dead is no leak, and no proof.
3. A round is a proof when every attempt of it is one and there was at least one of each form
   and way that was wanted.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lockgate.agent.canary.ways import WAYS
from lockgate.scan.words import Word
from lockgate.wire.transfer import Decision, Verdict

#: Every errno that a guarded open is refused with; see the table of errnos.
_REFUSALS = frozenset({errno.EPERM, errno.EAGAIN, errno.EBUSY})


class Result(Word):
    """What became of one attempt."""

    REFUSED = "refused", "Refused because the key was found."
    LEAKED = "leaked", "Bytes came out."
    UNPROVEN = "unproven", "Refused, but not because the key was found."
    FAILED = "failed", "It could not be tried as it should have been."


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way out that was tried on one file. ``errno`` 0: the opener got ``bytes`` bytes."""

    form: str
    way: str
    device: int
    inode: int
    errno: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What the guard found in one file: fingerprints, and the decision once there is one."""

    fingerprints: frozenset[str]
    decision: Decision | None = None


@dataclass(frozen=True, slots=True)
class Round:
    """The attempts of one round in one zone, judged. ``doubts``: why it is no proof."""

    results: tuple[tuple[Attempt, Result], ...]
    doubts: tuple[str, ...]

    @property
    def leaks(self) -> tuple[str, ...]:
        """The ways by which bytes came out."""
        return tuple(_what(a) for a, result in self.results if result is Result.LEAKED)

    @property
    def proved(self) -> bool:
        """Whether everything that was tried was refused because the key was found."""
        return not self.leaks and not self.doubts


def judge_round(
    attempts: Sequence[Attempt],
    seen: Mapping[tuple[int, int], Seen],
    fingerprints: Mapping[str, str],
    trouble: str = "",
) -> Round:
    """What a round shows. ``fingerprints``: of each form's key; ``trouble``: of the prober."""
    results = tuple((a, _judge(a, seen, fingerprints)) for a in attempts)
    doubts = [trouble] if trouble else []
    doubts += dict.fromkeys(_doubt(a, result) for a, result in results if _is_doubt(result))
    doubts += _held(attempts, seen)
    if not trouble:
        doubts += _missing("form", fingerprints, {a.form for a in attempts})
        doubts += _missing("way", WAYS, {a.way for a in attempts})
    return Round(results, tuple(doubts))


def _judge(
    attempt: Attempt,
    seen: Mapping[tuple[int, int], Seen],
    fingerprints: Mapping[str, str],
) -> Result:
    if attempt.bytes > 0:
        return Result.LEAKED
    if attempt.errno not in _REFUSALS:
        return Result.FAILED
    known = seen.get((attempt.device, attempt.inode))
    found = known is not None and fingerprints.get(attempt.form) in known.fingerprints
    return Result.REFUSED if found else Result.UNPROVEN


def _is_doubt(result: Result) -> bool:
    return result in {Result.UNPROVEN, Result.FAILED}


def _doubt(attempt: Attempt, result: Result) -> str:
    if result is Result.UNPROVEN:
        return f"a {attempt.form} canary was refused, but the scan did not find its key"
    got = os.strerror(attempt.errno) if attempt.errno else "an open, and no bytes"
    return f"the attempt by {_what(attempt)} got: {got}"


def _held(attempts: Sequence[Attempt], seen: Mapping[tuple[int, int], Seen]) -> Iterator[str]:
    """A canary that was found and then decided otherwise than BLOCK, without a leak."""
    files = dict.fromkeys((a.device, a.inode) for a in attempts)
    decisions = [seen[file].decision for file in files if file in seen]
    odd = {d.verdict for d in decisions if d is not None} - {Verdict.BLOCK, Verdict.HOLD}
    for verdict in sorted(odd):
        yield f"the verdict on a canary was {verdict.value}"


def _missing(what: str, wanted: Collection[str], tried: Collection[str]) -> Iterator[str]:
    for name in wanted:
        if name not in tried:
            yield f"no canary was tried: {what} {name}"


def _what(attempt: Attempt) -> str:
    return f"{attempt.way} of a {attempt.form} file"
