"""Expressions of a policy: CEL, checked against the messages when it is loaded.

Rules enforced here:

1. An expression sees ``report`` and ``transfer`` (messages of ``lockgate.v1``) and ``now``,
   and nothing else; a field that does not exist is an error at load.
2. Its length is bounded, the engine bounds the steps of its evaluation, and what its worst
   case costs is bounded when it is loaded (:mod:`lockgate.policy.cost`).
3. It counts as independent of the opener only if the checked syntax tree has no value of type
   Opener and no field of that name, and its text uses ``transfer`` only to select a field.

This is the only module that knows the engine.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from cel_expr_python import cel
from google.protobuf import descriptor_pool

from lockgate.policy.complaint import PACKAGE, Complaint, complaints
from lockgate.policy.cost import LARGEST, worst_case
from lockgate.policy.model import EvaluationError
from lockgate.scan.report import Report
from lockgate.v1 import report_pb2, transfer_pb2
from lockgate.wire.convert import report_to_wire, transfer_to_wire
from lockgate.wire.transfer import Transfer

#: Characters of one expression.
LONGEST = 4096

_WHOLE_TRANSFER = re.compile(r"\btransfer\b(?!\s*\.\s*[a-z_])")


class ExpressionError(Exception):
    """The text is no expression of this language; with every complaint about it."""

    def __init__(self, *found: Complaint) -> None:
        super().__init__("; ".join(complaint.message for complaint in found))
        self.complaints = found


@dataclass(frozen=True, slots=True)
class CelExpression:
    """A checked CEL expression with a boolean value."""

    text: str
    reads_opener: bool
    program: Any = field(repr=False)

    def evaluate(self, subject: Any) -> bool:
        """Its value for what :func:`subject_of` made.

        Raises:
            EvaluationError: no value (such as a division by zero), or more steps than the
                engine's bound.
        """
        try:
            value = self.program.eval(subject).value()
        except Exception:  # noqa: BLE001  (a native engine; whatever it raises is no value)
            raise EvaluationError("the expression could not be evaluated") from None
        if not isinstance(value, bool):
            raise EvaluationError("the expression has no value")
        return value


@cache
def _environment() -> Any:
    messages = (report_pb2.Report.DESCRIPTOR, transfer_pb2.Transfer.DESCRIPTOR)
    report, transfer = (cel.Type(message.full_name) for message in messages)
    return cel.NewEnv(
        descriptor_pool.Default(),
        variables={"report": report, "transfer": transfer, "now": cel.Type.TIMESTAMP},
        container=PACKAGE,
    )


def compile_expression(text: str) -> CelExpression:
    """Check ``text`` against the messages.

    Raises:
        ExpressionError: what is wrong with it, and where.
    """
    if len(text) > LONGEST:
        raise ExpressionError(Complaint(0, f"expression of more than {LONGEST} characters"))
    try:
        program = _environment().compile(text)
    except Exception as error:  # noqa: BLE001  (the engine raises plain RuntimeError and others)
        raise ExpressionError(*complaints(text, str(error))) from None
    if program.return_type() != cel.Type.BOOL:
        kind = program.return_type().name()
        raise ExpressionError(Complaint(0, f"the expression is {kind}, not a truth value"))
    tree = program.serialize()
    cost = worst_case(tree)
    if cost > LARGEST:
        why = f"may cost {cost // LARGEST + 1} times what one evaluation is allowed"
        raise ExpressionError(Complaint(0, f"{why}; do less inside of all, exists, map and filter"))
    reads = b"pener" in tree or "opener" in text or bool(_WHOLE_TRANSFER.search(text))
    return CelExpression(text, reads, program)


def subject_of(report: Report, transfer: Transfer, now: datetime) -> Any:
    """What expressions are evaluated on."""
    values = {
        "report": report_to_wire(report),
        "transfer": transfer_to_wire(transfer),
        "now": now,
    }
    return _environment().Activation(values)
