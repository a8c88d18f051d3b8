"""``lockgate scan`` as a user and a pipeline meet it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import ec

from lockgate.cli.targets import scan_path
from lockgate.formats.scanner import standard_scanner
from lockgate.scan.engine import Scanner
from lockgate.scan.report import GapReason, Outcome, report_to_json

LOCKGATE = str(Path(sys.executable).with_name("lockgate"))


def run(*args: str | bytes, **kwargs) -> subprocess.CompletedProcess[bytes]:
    """Run the command as installed."""
    return subprocess.run([LOCKGATE, *args], capture_output=True, check=False, timeout=60, **kwargs)


def lines(result: subprocess.CompletedProcess[bytes]) -> list[dict]:
    """The JSON objects on standard output."""
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture(scope="module")
def pem() -> bytes:
    """A fresh key as text."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(ser.Encoding.PEM, ser.PrivateFormat.PKCS8, ser.NoEncryption())


@pytest.fixture
def folder(tmp_path, pem) -> Path:
    """A folder with a key, a clean file, a FIFO and a link that leads out."""
    (tmp_path / "zone" / "b").mkdir(parents=True)
    (tmp_path / "zone" / "a.txt").write_text("nothing")
    (tmp_path / "zone" / "b" / "key.pem").write_bytes(pem)
    os.mkfifo(tmp_path / "zone" / "c.fifo")
    (tmp_path / "outside.pem").write_bytes(pem)
    (tmp_path / "zone" / "link").symlink_to(tmp_path / "outside.pem")
    return tmp_path / "zone"


def test_json_has_one_line_per_file_with_the_keys_of_the_contract(folder):
    """A folder gives one object for each file in order of names; links are not followed."""
    result = run("scan", "--format", "json", str(folder))

    reports = lines(result)
    assert [Path(r["path"]).name for r in reports] == ["a.txt", "key.pem", "c.fifo"]
    assert [r["outcome"] for r in reports] == ["clean", "found", "incomplete"]
    assert result.returncode == 1
    contract = {
        "path", "sha256", "size", "outcome", "findings", "gaps", "bytes_scanned", "seconds",
        "engine",
    }  # fmt: skip
    assert contract <= reports[1].keys()
    assert reports[2]["sha256"] is None
    assert reports[2]["gaps"][0]["reason"] == "special-file"
    finding = reports[1]["findings"][0]
    assert finding["class"] == "private"
    assert finding["fingerprint"].startswith("sha256:")
    assert finding["occurrences"]


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (["a.txt"], 0),
        (["c.fifo"], 3),
        (["a.txt", "c.fifo"], 3),
        (["c.fifo", "b", "a.txt"], 1),
        (["link"], 1),
        (["missing"], 2),
        (["a.txt", "missing"], 2),
        ([], 2),
    ],
)
def test_exit_code_is_the_gravest_outcome(names, code, folder):
    """Found outweighs incomplete, incomplete outweighs clean; a missing path is wrong usage."""
    result = run("scan", *(str(folder / name) for name in names))

    assert result.returncode == code
    assert b"Traceback" not in result.stderr


def test_missing_path_scans_nothing(folder):
    """With one path missing, nothing is printed on standard output."""
    assert run("scan", str(folder / "a.txt"), str(folder / "missing")).stdout == b""


def test_standard_input_is_scanned(pem):
    """``-`` is one report named ``-``."""
    result = run("scan", "--format", "json", "-", input=b"log line\n" + pem)

    (report,) = lines(result)
    assert (report["path"], report["outcome"], result.returncode) == ("-", "found", 1)


def test_text_shows_no_control_character(tmp_path, pem):
    """A hostile file name cannot colour the terminal or forge a line."""
    (tmp_path / "a\x1b[31m\nok  b").write_bytes(pem)
    (tmp_path / os.fsdecode(b"\xff\xfe")).write_bytes(b"x")

    result = run("scan", str(tmp_path))

    assert b"\x1b" not in result.stdout
    assert rb"a\x1b[31m\x0aok  b" in result.stdout
    assert rb"\xff\xfe" in result.stdout
    assert result.stdout.count(b"FOUND") == 1


def test_text_tells_class_proof_and_place(tmp_path, pem):
    """Text output names what a person needs to revoke the key."""
    (tmp_path / "key").write_bytes(pem)

    text = run("scan", str(tmp_path / "key")).stdout.decode()

    assert "private: EC" in text
    assert "sha256:" in text
    assert "proof: " in text
    assert "(pem)" in text


def test_sarif_is_a_log_with_results_and_gaps(folder):
    """SARIF output has a result for the finding and one for the gap."""
    result = run("scan", "--format", "sarif", str(folder))

    log = json.loads(result.stdout)
    (sarif_run,) = log["runs"]
    assert log["version"] == "2.1.0"
    assert {r["ruleId"] for r in sarif_run["results"]} == {"private", "gap"}
    rules = {rule["id"] for rule in sarif_run["tool"]["driver"]["rules"]}
    assert {r["ruleId"] for r in sarif_run["results"]} <= rules
    assert result.returncode == 1


@pytest.mark.parametrize("args", [["--format", "xml"], ["--profile", "slow"], ["--nonsense"]])
def test_wrong_usage_is_code_two(args, folder):
    """An unknown option or value is an error that names it."""
    result = run("scan", *args, str(folder))

    assert result.returncode == 2
    assert args[-1].encode() in result.stderr


def test_broken_registry_is_wrong_usage(tmp_path):
    """A registry file that cannot be used stops the scan and is named."""
    (tmp_path / "registry").write_text("no registry")

    result = run("scan", "--registry", str(tmp_path / "registry"), str(tmp_path))

    assert result.returncode == 2
    assert b"registry" in result.stderr
    assert b"Traceback" not in result.stderr


def test_fault_of_ours_is_a_gap_that_quotes_nothing(tmp_path, monkeypatch):
    """An unforeseen fault ends one file as incomplete, without the text of the fault."""

    def fail(*_, **__):
        raise ValueError("bytes of the file")

    path = tmp_path / "file"
    path.write_bytes(b"content")
    monkeypatch.setattr(Scanner, "scan_fd", fail)

    report = scan_path(standard_scanner(), os.fsencode(path), None)

    assert report.outcome is Outcome.INCOMPLETE
    assert [gap.reason for gap in report.gaps] == [GapReason.WORKER_LOST]
    assert "bytes of the file" not in json.dumps(report_to_json(report))


def test_scanning_process_leaves_no_core():
    """The command forbids core dumps of itself."""
    code = (
        "import resource; from lockgate.cli.hardening import forbid_core_dumps;"
        "forbid_core_dumps(); print(resource.getrlimit(resource.RLIMIT_CORE)[0],"
        "open('/proc/self/status').read().count('CoreDumping'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)

    assert done.stdout.split()[0] == b"0"


def test_memory_stays_bounded(tmp_path):
    """A file of 600 MB is scanned in at most 256 MB of memory."""
    path = tmp_path / "large"
    piece = os.urandom(8 << 20)
    with path.open("wb") as file:
        for _ in range(75):
            file.write(piece)
    code = (
        "import sys; from lockgate.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "status = open('/proc/self/status').read().split()\n"
        "print(status[status.index('VmHWM:') + 1], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "scan", str(path)], capture_output=True, check=True
    )

    assert int(done.stderr.split()[-1]) * 1024 < 256 << 20
    assert done.stdout.startswith(b"ok")


def test_help_lists_commands_and_imports_none_of_them():
    """``lockgate --help`` names every installed command without loading it."""
    code = (
        "import sys; sys.argv = ['lockgate', '--help']; from lockgate.cli.main import main; main();"
        "print(sorted(m for m in sys.modules if m in ('numpy', 'yara', 'typer', 'grpc', 'rich')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)

    assert {b"scan", b"registry"} <= set(done.stdout.split())
    assert done.stdout.rstrip().endswith(b"[]")


def test_unknown_command_names_the_nearest():
    """A typo is answered with the command that was meant."""
    result = run("scna")

    assert result.returncode == 2
    assert b"'scan'" in result.stderr


@pytest.mark.parametrize("form", ["text", "json", "sarif"])
def test_reports_that_cannot_be_printed_are_code_two(form, folder):
    """A full disk behind standard output must not look like an outcome."""
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run(
            [LOCKGATE, "scan", "--format", form, str(folder / "a.txt")],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
            timeout=60,
        )

    assert result.returncode == 2
    assert b"Traceback" not in result.stderr


def test_file_that_hides_its_size_is_never_clean():
    """A file of procfs says that it is empty, and is not."""
    (report,) = lines(run("scan", "--format", "json", "/proc/self/environ"))

    assert (report["outcome"], report["sha256"]) == ("incomplete", None)
