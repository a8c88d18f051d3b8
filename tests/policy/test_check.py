"""Mistakes in a policy: all of them at once, each at the character it is about."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.policy import PolicyError
from lockgate.policy.document import Source
from lockgate.policy.expression import ExpressionError, compile_expression
from lockgate.policy.load import DEFAULT, load_texts

WRONG = """\
apiVersion: lockgate.dev/v1
kind: TransferPolicy
metadata: {name: p}
spec:
  failurePolicy: Fial
  rules:
    - name: folded
      expression: >-
        report.size > 3u
        && report.findngs.size() == 0
      verdict: BLOK
    - name: literal
      expression: |
        report.outcome == Outcome.OUTCOME_CLEEN
        || transfer.zone.sining
      verdict: ALLOW
      cachee: {for: 24h}
    - name: 'quoted'
      expression: 'transfer.zone.name == ''prod'' && reprot.size > 0u'
---
apiVersion: lockgate.dev/v1
kind: TransferPolicyBindng
metadata: {name: b}
spec: {policyName: p, actions: [Deny]}
"""


def faults(*texts):
    """Every fault of these texts, told of files 0, 1, ..."""
    with pytest.raises(PolicyError) as caught:
        load_texts([Source(str(number), text) for number, text in enumerate(texts)])
    return caught.value.faults


def word(text, line, column):
    """What stands at a place of a text."""
    rest = text.splitlines()[line - 1][column - 1 :]
    return rest.split(" ")[0].strip("(){},'")


def test_every_fault_is_told_at_the_word_it_is_about():
    """Enum words, keys, fields and names, in folded, literal and quoted text."""
    told = [(word(WRONG, f.line, f.column), f.nearest) for f in faults(WRONG)]
    assert told == [
        ("Fial", "Fail"),
        ("findngs.size", "findings"),
        ("BLOK", "BLOCK"),
        ("OUTCOME_CLEEN", "OUTCOME_CLEAN"),
        ("sining", "signing"),
        ("cachee:", "cache"),
        ("reprot.size", "report"),
        ("name:", ""),
        ("TransferPolicyBindng", "TransferPolicyBinding"),
    ]


def test_faults_of_all_files_are_told():
    """One wrong file does not hide the next."""
    found = faults("- a list\n", "kind: [\n")
    assert [fault.file for fault in found] == ["0", "1"]
    assert all(fault.line for fault in found)


@pytest.mark.parametrize(
    ("expression", "at", "said", "near"),
    [
        ("report.sizee > 3u", "sizee", "has no field", "size"),
        ("report.findings.exists(f, f.clas == 1)", "clas ", "lockgate.v1.Finding", "finding_class"),
        ("FindingClass.FINDING_CLASS_PRIVAT == 1", "FINDING_CLASS_PRIVAT", "no value", "PRIVATE"),
        ("FindngClass.FINDING_CLASS_TEST == 1", "FindngClass", "named", "FindingClass"),
        ("report.findings.exsts(f, true)", "exsts", "named", "exists"),
        ("transfer.boundary == 'open'", "== ", "Boundary.BOUNDARY_OPEN", ""),
        ("report.size >", "", "syntax error", ""),
        ("'open", "'open", "syntax error", ""),
        ("report.size", "report", "not a truth value", ""),
        ("(" * 300 + "true" + ")" * 300, "(", "recursion", ""),
        ("true || " * 600 + "true", "true", "4096 characters", ""),
    ],
)
def test_a_complaint_names_place_reason_and_nearest_name(expression, at, said, near):
    """The place is where the word stands; what was expected is said."""
    with pytest.raises(ExpressionError) as caught:
        compile_expression(expression)
    told = [(c.offset, c.message, c.nearest) for c in caught.value.complaints]
    assert any(
        expression[offset:].startswith(at) and said in message and near in nearest
        for offset, message, nearest in told
    ), told


@given(st.text(max_size=60) | st.text("report.findgs()[]{}&|=<>!'\" 0u,", max_size=60))
def test_any_text_is_an_expression_or_a_complaint_inside_it(text):
    """No text breaks the checker, and no complaint points outside the text."""
    try:
        compile_expression(text)
    except ExpressionError as error:
        assert error.complaints
        assert all(0 <= c.offset <= len(text) for c in error.complaints)


@given(st.text("abz:-[]{}'\"|> \n#&*!", max_size=120))
def test_any_text_is_a_policy_or_faults_with_places(text):
    """Loading hostile text ends in faults that name the file."""
    assert all(fault.file == "0" and fault.message for fault in faults(text))


def test_empty_documents_say_nothing():
    """Files that begin or end with a separator can be put together."""
    text = DEFAULT.read_text("utf-8")
    once = load_texts([Source("a", text)])
    assert load_texts([Source("a", f"# first\n---\n---\n{text}\n---\n")]).digest == once.digest
