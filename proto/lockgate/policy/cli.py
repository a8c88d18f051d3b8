"""``lockgate policy``: check, test and compare policies, without any controller.

Rules enforced here:

1. These verbs need the policy language alone; verbs that need a controller come from its
   distribution, by entry points of the group ``lockgate.policy.commands``, and are imported only
   when they are called or listed.
2. Exit code 0: no fault, no failed test, no difference; 1: there is one; 2: wrong usage, or a
   file that cannot be read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from lockgate.policy.document import Source, read
from lockgate.policy.load import DEFAULT, load_texts
from lockgate.policy.model import Fault, Policy, PolicyError

_GROUP = "lockgate.policy.commands"
_WRONG, _USAGE = 1, 2
_SUFFIXES = {".yaml", ".yml"}
_EXAMPLES_SHOWN = 3


class _Verbs(TyperGroup):
    """The verbs here and those of other distributions (the types are of typer's own click)."""

    def list_commands(self, ctx: Any) -> list[str]:
        """All names, ours first."""
        return [*super().list_commands(ctx), *sorted(_elsewhere())]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """One verb, imported now if it is not ours."""
        ours = super().get_command(ctx, cmd_name)
        if ours is not None or cmd_name not in _elsewhere():
            return ours
        command = typer.main.get_command(_elsewhere()[cmd_name].load())
        command.name = cmd_name
        return command


def _elsewhere() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=_GROUP)}


app = typer.Typer(
    cls=_Verbs,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Check, test and compare policies; propose them to a controller.",
)

Files = Annotated[list[Path], typer.Argument(help="Files of a policy, or folders of .yaml files.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]


@app.command()
def check(files: Files, *, as_json: AsJson = False) -> None:
    """Tell every mistake of a policy, with its place."""
    from lockgate.policy.testing import cases

    sources = read_files(files)
    faults: list[Fault] = []
    policy = tests = None
    try:
        policy = load_texts(sources)
    except PolicyError as error:
        faults += error.faults
    try:
        tests = cases(sources)
    except PolicyError as error:
        faults += (fault for fault in error.faults if fault not in faults)
    if as_json:
        told = {
            "ok": not faults,
            "digest": policy.digest if policy and not faults else None,
            "faults": [fault_to_json(fault) for fault in faults],
        }
        typer.echo(json.dumps(told, ensure_ascii=False))
    elif policy and not faults:
        typer.echo(f"{_summary(policy)}; {len(tests or ())} tests; digest {policy.digest}")
    else:
        _tell(faults)
    raise typer.Exit(_WRONG if faults else 0)


@app.command("test")
def run_tests(files: Files, *, as_json: AsJson = False) -> None:
    """Run the tests (TransferPolicyTest) in FILES against the policy in FILES."""
    from lockgate.policy import testing

    sources = read_files(files)
    policy = _loaded(sources)
    try:
        cases = testing.cases(sources)
    except PolicyError as error:
        _tell(error.faults)
        raise typer.Exit(_WRONG) from None
    if not cases:
        _fail("there is no TransferPolicyTest in these files")
    results = [testing.run(case, policy) for case in cases]
    failed = [result for result in results if result.mismatches]
    untested = _untested(policy, results)
    if as_json:
        for result in results:
            typer.echo(json.dumps(_result_to_json(result), ensure_ascii=False))
    else:
        for result in failed:
            _show_failed(result)
        if untested:
            typer.echo(f"no test is decided by: {', '.join(untested)}")
        typer.echo(f"{len(results) - len(failed)} passed, {len(failed)} failed")
    raise typer.Exit(_WRONG if failed else 0)


@app.command()
def diff(
    old: Annotated[Path, typer.Argument(help="File or folder of the one policy.")],
    new: Annotated[
        Path | None, typer.Argument(help="The other; without it OLD is compared with the default.")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Tell what NEW says otherwise than OLD, and which verdicts change over samples."""
    from lockgate.policy.difference import differences, verdict_changes

    pair = (old, new) if new is not None else (DEFAULT, old)
    before, after = (_loaded(read_files([path])) for path in pair)
    said = differences(before, after)
    decided = list(verdict_changes(before, after))
    if as_json:
        told = {
            "old": before.digest,
            "new": after.digest,
            "differences": [_difference_to_json(each) for each in said],
            "verdicts": [_verdict_to_json(each) for each in decided],
        }
        typer.echo(json.dumps(told, ensure_ascii=False))
    else:
        _show_differences(said, decided)
    raise typer.Exit(_WRONG if said or decided else 0)


def read_files(paths: Iterable[Path]) -> list[Source]:
    """The texts of files, and of all YAML files in folders; ends the command if one is missing."""
    sources: list[Source] = []
    try:
        for path in paths:
            found = _in_folder(path) if path.is_dir() else [path]
            sources += [read(each) for each in found]
    except (PolicyError, OSError) as error:
        _fail(str(error))
    return sources


def fault_to_json(fault: Fault) -> dict[str, Any]:
    """A fault for machines; the keys are those of the text."""
    return {
        "file": fault.file,
        "line": fault.line,
        "column": fault.column,
        "key": fault.key,
        "message": fault.message,
        "nearest": fault.nearest or None,
    }


def _in_folder(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.iterdir() if path.suffix in _SUFFIXES)
    if not found:
        _fail(f"{folder}: no .yaml file in this folder")
    return found


def _loaded(sources: Sequence[Source]) -> Policy:
    try:
        return load_texts(sources)
    except PolicyError as error:
        _tell(error.faults)
        raise typer.Exit(_USAGE) from None


def _tell(faults: Iterable[Fault]) -> None:
    for fault in faults:
        typer.echo(str(fault), err=True)


def _fail(why: str) -> NoReturn:
    typer.echo(f"lockgate policy: {why}", err=True)
    raise typer.Exit(_USAGE)


def _summary(policy: Policy) -> str:
    rules = sum(len(one.rules) for one in policy.policies)
    return f"{len(policy.policies)} policies, {rules} rules, {len(policy.bindings)} bindings"


def _untested(policy: Policy, results: Iterable[Any]) -> list[str]:
    decided = {result.rule for result in results}
    names = (rule.name for one in policy.policies for rule in one.rules)
    return [name for name in names if name not in decided]


def _show_failed(result: Any) -> None:
    typer.echo(f"FAILED {result.case.file}:{result.case.line}: {result.case.name}")
    for each in result.mismatches:
        typer.echo(f"  {each.key}: expected {each.expected!r}, decided {each.decided!r}")
    typer.echo(f"  decided by: {result.rule or 'no rule'}")


def _result_to_json(result: Any) -> dict[str, Any]:
    return {
        "name": result.case.name,
        "file": result.case.file,
        "line": result.case.line,
        "passed": not result.mismatches,
        "rule": result.rule,
        "mismatches": [
            {"key": each.key, "expected": each.expected, "decided": each.decided}
            for each in result.mismatches
        ],
    }


def _show_differences(said: Sequence[Any], decided: Sequence[Any]) -> None:
    for each in said:
        values = {"added": each.new, "removed": each.old}.get(each.change.value)
        shown = f"{each.old!r} -> {each.new!r}" if values is None else _words(values)
        typer.echo(f"{each.change.value:<8} {', '.join(each.what)}: {shown}")
    for line in _grouped(decided):
        typer.echo(line)
    if not said and not decided:
        typer.echo("no difference")


def _words(values: Any) -> str:
    if not isinstance(values, dict):
        return repr(values)
    return ", ".join(f"{key} {value!r}" for key, value in values.items())


def _grouped(decided: Sequence[Any]) -> Iterable[str]:
    """A line for each way in which verdicts change, with how often and for what."""
    groups: dict[tuple[str, str], list[Any]] = {}
    for each in decided:
        groups.setdefault((_verdict(each.old), _verdict(each.new)), []).append(each)
    for (old, new), members in groups.items():
        contents = ", ".join(dict.fromkeys(member.content for member in members))
        yield f"verdict  {old} -> {new} in {len(members)} samples with: {contents}"
        for member in members[:_EXAMPLES_SHOWN]:
            signing = " (signing)" if member.signing else ""
            place = f"{member.boundary.value} of zone {member.zone}{signing}, host {member.host}"
            by = ", by a process" if member.opener else ""
            yield f"           e.g. {member.content} over {place}{by}"


def _verdict(decision: Any) -> str:
    reason = decision.hold_reason
    rule = f" by {decision.rule}" if decision.rule else ""
    return f"{decision.verdict.value}{f' ({reason.value})' if reason else ''}{rule}"


def _difference_to_json(each: Any) -> dict[str, Any]:
    return {
        "change": each.change.value,
        "what": list(each.what),
        "old": each.old,
        "new": each.new,
    }


def _verdict_to_json(each: Any) -> dict[str, Any]:
    return {
        "content": each.content,
        "zone": each.zone,
        "signing": each.signing,
        "host": each.host,
        "boundary": each.boundary.value,
        "opener": each.opener,
        "old": _decision_to_json(each.old),
        "new": _decision_to_json(each.new),
    }


def _decision_to_json(decision: Any) -> dict[str, Any]:
    reason = decision.hold_reason
    return {
        "verdict": decision.verdict.value,
        "hold_reason": None if reason is None else reason.value,
        "rule": decision.rule,
    }
