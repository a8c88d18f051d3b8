"""``lockgate policy check|test|diff``: what they print, and how they end."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lockgate.policy.cli import app
from lockgate.policy.document import Source, read
from lockgate.policy.load import DEFAULT, load_texts
from lockgate.policy.testing import cases, run

ROOT = Path(__file__).parents[2]
GOOD = """\
apiVersion: lockgate.dev/v1
kind: TransferPolicy
metadata: {name: p}
spec:
  rules:
    - {name: clean, expression: report.outcome == Outcome.OUTCOME_CLEAN, verdict: ALLOW}
    - name: keys
      expression: report.findings.size() > 0
      verdict: BLOCK
      warning: Keys.
---
apiVersion: lockgate.dev/v1
kind: TransferPolicyBinding
metadata: {name: b}
spec: {policyName: p, matchResources: {zones: [build]}, actions: [Deny]}
"""
TESTS = """\
apiVersion: lockgate.dev/v1
kind: TransferPolicyTest
metadata: {name: t}
spec:
  cases:
    - name: keys stay
      report: {findings: [{class: test, format: der, bits: 512, algorithm: DSA}], gaps: [budget]}
      transfer: {zone: build, boundary: outbox, opener: {executable: /bin/cp, loginUser: kim}}
      now: 2026-03-01T02:00:00Z
      expect: {verdict: %s, rule: keys, warnings: [Keys.]}
    - name: elsewhere nobody says anything
      expect: {verdict: HOLD, holdReason: no-rule}
"""


@pytest.fixture
def files(tmp_path):
    """Writes files by name."""

    def write(**texts):
        for name, text in texts.items():
            (tmp_path / f"{name}.yaml").write_text(text, "utf-8")
        return tmp_path

    return write


def lockgate(*arguments):
    """Run ``lockgate policy``; exit code and output."""
    done = CliRunner().invoke(app, [str(each) for each in arguments])
    return done.exit_code, done.stdout, done.stderr


def test_a_good_policy_is_told_with_its_digest(files):
    """Exit code 0; a folder stands for its files, tests among them."""
    folder = files(policy=GOOD, tests=TESTS % "BLOCK")
    code, out, _ = lockgate("check", folder)
    assert code == 0
    assert "1 policies, 2 rules, 1 bindings; 2 tests; digest" in out
    told = json.loads(lockgate("check", folder, "--json")[1])
    assert told["ok"]
    assert told["digest"] == load_texts([Source("p", GOOD)]).digest


def test_every_fault_is_told_with_its_place(files):
    """Exit code 1, a line for each fault of policies and of tests."""
    folder = files(
        policy=GOOD.replace("BLOCK", "BLOK"), tests=(TESTS % "BLOCK").replace("now", "n")
    )
    code, out, err = lockgate("check", folder)
    assert (code, out) == (1, "")
    policy, tests = err.splitlines()
    assert policy.startswith(f"{folder}/policy.yaml:9:16: ")
    assert tests.startswith(f"{folder}/tests.yaml:9:7: ")
    told = json.loads(lockgate("check", folder, "--json")[1])
    assert [(f["line"], f["column"], f["nearest"]) for f in told["faults"]] == [
        (9, 16, "BLOCK"),
        (9, 7, "now"),
    ]


@pytest.mark.parametrize("verb", ["check", "test", "diff"])
def test_a_missing_file_is_wrong_usage(verb, tmp_path):
    """Exit code 2 and one line."""
    code, out, err = lockgate(verb, tmp_path / "none.yaml")
    assert (code, out) == (2, "")
    assert "none.yaml: cannot be read" in err
    assert lockgate(verb, tmp_path)[0] == 2


def test_passing_tests_are_counted(files):
    """Exit code 0."""
    code, out, _ = lockgate("test", files(policy=GOOD, tests=TESTS % "BLOCK"))
    assert (code, out.splitlines()) == (0, ["no test is decided by: clean", "2 passed, 0 failed"])


def test_a_failed_test_says_where_what_and_why(files):
    """Exit code 1; expected and decided stand side by side."""
    folder = files(policy=GOOD, tests=TESTS % "ALLOW")
    code, out, _ = lockgate("test", folder)
    assert code == 1
    assert out.splitlines()[:3] == [
        f"FAILED {folder}/tests.yaml:6: keys stay",
        "  verdict: expected 'ALLOW', decided 'BLOCK'",
        "  decided by: keys",
    ]
    rows = [json.loads(line) for line in lockgate("test", folder, "--json")[1].splitlines()]
    assert [row["passed"] for row in rows] == [False, True]


def test_files_without_a_test_are_wrong_usage(files):
    """Nothing tested is no success."""
    assert lockgate("test", files(policy=GOOD))[0] == 2


def test_only_what_is_said_otherwise_is_a_difference(files):
    """Comments, blanks, order of documents and defaults written out are none."""
    first, second = GOOD.split("---\n")
    same = f"# same\n{second}---\n{first}".replace("report.outcome ==", "report.outcome   ==")
    same = same.replace("spec:\n", "spec:\n  failurePolicy: Fail\n")
    folder = files(old=GOOD, new=same)
    assert lockgate("diff", folder / "old.yaml", folder / "new.yaml")[:2] == (0, "no difference\n")


def test_differences_and_changed_verdicts_are_told(files):
    """A verdict, a zone and a rule more; and what that does to which files."""
    new = GOOD.replace("verdict: BLOCK", "verdict: HOLD").replace("[build]", "[build, docs]")
    new = new.replace("---", "    - {name: more, expression: 'true', verdict: HOLD}\n---")
    folder = files(old=GOOD, new=new)
    code, out, _ = lockgate("diff", folder / "old.yaml", folder / "new.yaml")
    assert code == 1
    assert "changed  policy p, rule keys, verdict: 'BLOCK' -> 'HOLD'" in out
    assert "added    policy p, rule more: expression 'true', verdict 'HOLD'" in out
    assert "changed  binding b, zones: ['build'] -> ['build', 'docs']" in out
    assert "order of rules" not in out
    assert "ALLOW by clean -> HOLD (policy) by more in 32 samples with: clean, " in out
    told = json.loads(lockgate("diff", folder / "old.yaml", folder / "new.yaml", "--json")[1])
    assert {each["change"] for each in told["differences"]} == {"added", "changed"}
    moved = [v for v in told["verdicts"] if v["content"] == "private" and v["zone"] == "build"]
    assert {(v["old"]["verdict"], v["new"]["verdict"]) for v in moved} == {("BLOCK", "HOLD")}


def test_one_policy_is_compared_with_the_default(files):
    """Without a second file the shipped policy is the old one."""
    assert lockgate("diff", DEFAULT)[0] == 0
    told = json.loads(lockgate("diff", files(p=GOOD) / "p.yaml", "--json")[1])
    assert told["old"] == load_texts([read(DEFAULT)]).digest


@pytest.mark.parametrize(
    "files_of",
    [(DEFAULT, DEFAULT.with_name("default.test.yaml"))]
    + [(path,) for path in sorted((ROOT / "packaging" / "policies").glob("*.yaml"))],
    ids=lambda files: files[0].stem,
)
def test_the_tests_of_every_shipped_policy_pass(files_of):
    """What is shipped is tested by its own tests, each rule by at least one."""
    sources = [read(path) for path in files_of]
    policy = load_texts(sources)
    results = [run(case, policy) for case in cases(sources)]
    assert not [result for result in results if result.mismatches]
    rules = {rule.name for one in policy.policies for rule in one.rules}
    assert rules <= {result.rule for result in results}
