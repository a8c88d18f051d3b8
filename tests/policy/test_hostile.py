"""Files that are made to stop, to fill or to mislead whoever checks a policy."""

import pytest

from lockgate.policy import PolicyError
from lockgate.policy.document import MOST_FAULTS, Source, read
from lockgate.policy.load import load_texts
from lockgate.policy.plain import MOST_NODES
from lockgate.wire.bounds.policy import POLICY_BYTES

POLICY = """\
apiVersion: lockgate.dev/v1
kind: TransferPolicy
metadata: {name: p}
spec:
  rules:
  - {name: r, expression: 'true', verdict: HOLD}
---
apiVersion: lockgate.dev/v1
kind: TransferPolicyBinding
metadata: {name: b}
spec: {policyName: p, actions: [Deny]}
"""


def faults_of(text):
    """What is told of a text that is no policy."""
    with pytest.raises(PolicyError) as refused:
        load_texts([Source("p.yaml", text)])
    return refused.value.faults


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[" * 200_000, "p.yaml:1:25: not plain YAML: more than 24 levels"),
        ("{a: " * 50_000, "p.yaml:1:94: not plain YAML: more than 24 levels"),
        ("- " * 100_000, "p.yaml:1:49: not plain YAML: more than 24 levels"),
        ("---\n" * 60_000, f"p.yaml:{MOST_NODES + 2}:1: not plain YAML: more than"),
        ("a: &a [x]\nb: *a\n", "p.yaml:2:4: not plain YAML: *a: aliases are not allowed"),
        ("a: !!int xx\n", "p.yaml:1:4: not plain YAML: tags are not allowed"),
        (POLICY.replace("api", "!!null api", 1), "p.yaml:1:1: not plain YAML: tags are not"),
        (POLICY.replace("  rules", "\trules"), "p.yaml:5:1: not plain YAML: found character"),
        (POLICY.replace("r,", "r\0,"), "p.yaml:6:13: not plain YAML: a character that has"),
        (POLICY.replace("name: r", "name: r, name: s"), 'p.yaml:6:15: "spec.rules[0].name": giv'),
        (POLICY.replace("name: p", 'name: "\\ud800"'), 'p.yaml:3:18: "metadata.name": half a'),
        (POLICY.replace("kind", '"\\e[2Jkind\\nall is well"', 1), 'p.yaml:2:1: "\\x1b[2Jkind\\x0a'),
        ("? [a]\n: b\n", "p.yaml:1:3: expected a key that is a word"),
        ("<<: {kind: b}\n", "p.yaml:1:1: expected a key that is a word"),
        ("a: 1" + ":1" * 120_000, 'p.yaml:1:1: "a": unknown key'),
        ("a: 1" + ":1" * 120_000 + ".5", 'p.yaml:1:1: "a": unknown key'),
        ("a: " + "9" * 250_000, 'p.yaml:1:1: "a": unknown key'),
        ("a: 2001-99-99", 'p.yaml:1:1: "a": unknown key'),
        ("? " + "k" * 250_000 + "\n: 1\n", 'p.yaml:1:3: "kkkkk'),
    ],
)
def test_one_clear_line_names_the_place(text, told):
    """Each within a moment, without a stack trace, and with nothing that moves a cursor."""
    first, *more = map(str, faults_of(text))
    assert first.startswith(told)
    assert all(line.isprintable() and len(line) < 1000 for line in (first, *more))


@pytest.mark.parametrize("mark", ["\ufeff", ""])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_how_an_editor_writes_lines_makes_no_difference(mark, end):
    """A byte order mark and the line ends of other systems are no part of a policy."""
    other = load_texts([Source("p.yaml", mark + POLICY.replace("\n", end))])
    assert other.digest == load_texts([Source("p.yaml", POLICY)]).digest


def test_so_many_faults_are_told_and_no_more():
    """Nobody reads ten thousand lines, and none of them takes long."""
    assert len(faults_of("---\na: 1\n" * 3_000)) <= 2 * MOST_FAULTS
    assert len(faults_of("".join(f"k{n}: 1\n" for n in range(3_000)))) <= 2 * MOST_FAULTS


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (POLICY.encode("utf-16"), ":1:1: not UTF-8"),
        (POLICY.encode() + b"# \xff\n", ":12:3: not UTF-8"),
        ("é".encode() * POLICY_BYTES, f": larger than {POLICY_BYTES} bytes"),
    ],
)
def test_what_is_no_text_is_refused_with_its_place(tmp_path, raw, told):
    """Line and column of the first byte that is none."""
    path = tmp_path / "p.yaml"
    path.write_bytes(raw)
    with pytest.raises(PolicyError) as refused:
        read(path)
    assert str(refused.value).endswith(told)
