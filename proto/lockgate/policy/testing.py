"""Unit tests of a policy: documents of the kind TransferPolicyTest, beside the policy.

Rules enforced here:

1. A case says in a few words what was scanned and where it goes, and what must be decided; it is
   decided by the same function as a real transfer.
2. What a case does not say is as :mod:`lockgate.policy.sample` makes it; what it does not expect
   is not compared, but the verdict always is.
3. Documents are read as strictly as policies are: an unknown key is a fault with its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from lockgate.policy import sample
from lockgate.policy.decide import decide
from lockgate.policy.document import Source, Value, documents
from lockgate.policy.load import TEST_KIND, frame_of
from lockgate.policy.model import Fault, Policy, PolicyError
from lockgate.scan.report import Finding, FindingClass, FindingKind, GapReason, Report
from lockgate.wire.transfer import Boundary, Decision, HoldReason, Opener, Transfer, Verdict


@dataclass(frozen=True, slots=True)
class Case:
    """One test. ``expected`` maps keys of ``expect`` to what they must be."""

    name: str
    file: str
    line: int
    report: Report
    transfer: Transfer
    now: datetime
    expected: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One thing that was decided otherwise than expected."""

    key: str
    expected: Any
    decided: Any


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a case; it passed when nothing mismatches."""

    case: Case
    rule: str
    mismatches: tuple[Mismatch, ...]


def cases(sources: Sequence[Source]) -> tuple[Case, ...]:
    """The cases of all test documents in ``sources``; other documents are left alone.

    Raises:
        PolicyError: every fault of the test documents.
    """
    found: list[Case] = []
    faults: list[Fault] = []
    for source in sources:
        try:
            for document in documents(source):
                frame = frame_of(document)
                if frame["kind"] == TEST_KIND:
                    readers = {"cases": lambda value: value.each(_case)}
                    found += frame["spec"].fields(readers, readers)["cases"]
        except PolicyError as error:
            faults += error.faults
    if faults:
        raise PolicyError(*faults)
    return tuple(found)


def run(case: Case, policy: Policy) -> Result:
    """Decide one case."""
    decision = decide(case.report, case.transfer, policy, case.now)
    decided = _decided(decision)
    return Result(
        case,
        decision.rule,
        tuple(
            Mismatch(key, expected, decided[key])
            for key, expected in case.expected.items()
            if decided[key] != expected
        ),
    )


def _decided(decision: Decision) -> dict[str, Any]:
    reason = decision.hold_reason
    return {
        "verdict": decision.verdict.value,
        "rule": decision.rule,
        "holdReason": None if reason is None else reason.value,
        "message": decision.message,
        "warnings": list(decision.warnings),
        "audit": list(decision.audit),
        "page": decision.page,
        "waitFor": decision.wait_for,
        "cached": decision.cache_until is not None,
    }


def _case(value: Value) -> Case:
    readers = {
        "name": Value.text,
        "report": _report,
        "transfer": _transfer,
        "now": _moment,
        "expect": _expected,
    }
    read = value.fields(readers, ("name", "expect"))
    report: Report = read.get("report", sample.report())
    now = read.get("now", sample.NOW)
    moved = sample.transfer(**{"size": report.size, "now": now, **read.get("transfer", {})})
    line = value.node.start_mark.line + 1
    return Case(read["name"], value.file, line, report, moved, now, read["expect"])


def _report(value: Value) -> Report:
    renamed = {"rulePack": "rule_pack"}
    readers = {
        "findings": lambda found: found.each(_finding),
        "gaps": lambda gaps: gaps.each(lambda gap: gap.choice(GapReason)),
        "read": Value.truth,
        "size": Value.number,
        "profile": Value.text,
        "rulePack": Value.text,
        "searches": lambda searches: searches.each(Value.text),
        "strict": Value.truth,
    }
    return sample.report(**_renamed(value.fields(readers), renamed))


def _finding(value: Value) -> Finding:
    """A class alone, or a mapping with more."""
    if not value.is_mapping():
        return sample.finding(value.choice(FindingClass), number=value.node.start_mark.index)
    renamed = {"class": "class_", "format": "form", "protectedName": "protected_name"}
    readers = {
        "class": lambda word: word.choice(FindingClass),
        "kind": lambda word: word.choice(FindingKind),
        "algorithm": Value.text,
        "bits": Value.number,
        "format": Value.text,
        "member": Value.text,
        "protectedName": Value.text,
    }
    read = value.fields(readers, ("class",))
    return sample.finding(**_renamed(read, renamed), number=value.node.start_mark.index)


def _transfer(value: Value) -> dict[str, Any]:
    return value.fields(
        {
            "zone": Value.text,
            "signing": Value.truth,
            "host": Value.text,
            "boundary": lambda word: word.choice(Boundary),
            "path": Value.text,
            "size": Value.number,
            "opener": _opener,
        }
    )


def _opener(value: Value) -> Opener:
    """The fields of Opener in camel case; ``pid`` may be left out."""
    renamed = {_camel(field.name): field.name for field in fields(Opener)}
    numbers = ("pid", "uid", "gid", "loginUid", "startTicks")
    readers: dict[str, Any] = {
        key: Value.number if key in numbers else Value.text for key in renamed
    }
    readers["parents"] = lambda parents: parents.each(Value.text)
    return Opener(**{"pid": 1, **_renamed(value.fields(readers), renamed)})


def _expected(value: Value) -> dict[str, Any]:
    words = {
        "verdict": lambda word: word.choice(Verdict).value,
        "holdReason": lambda word: word.choice(HoldReason).value,
    }
    texts = dict.fromkeys(("rule", "message", "waitFor"), Value.text)
    truths = dict.fromkeys(("page", "cached"), Value.truth)
    lists = dict.fromkeys(("warnings", "audit"), lambda each: list(each.each(Value.text)))
    return value.fields({**words, **texts, **truths, **lists}, ("verdict",))


def _moment(value: Value) -> datetime:
    try:
        moment = datetime.fromisoformat(str(value.node.value))
    except ValueError:
        raise value.fault('expected a time such as "2026-01-31T22:00:00Z"') from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _renamed(read: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return {names.get(key, key): value for key, value in read.items()}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
