"""What the controller's processes write about themselves."""

import json
import subprocess
import sys

FAULTY = """
import structlog
from lockgate.controller import process

process.log_to_stderr()

def parse(token):
    raise ValueError(f"no such token: {token}")

try:
    parse("lg1.secret")
except ValueError:
    structlog.get_logger().exception("call failed", call="Enrol")
"""


def test_a_fault_is_logged_by_its_place_and_without_its_text():
    """Type, function and line are there for whoever repairs it; what was sent is not."""
    ran = subprocess.run(
        [sys.executable, "-c", FAULTY], capture_output=True, text=True, timeout=60, check=True
    )
    line = json.loads(ran.stderr)
    assert (line["event"], line["call"], line["fault"]) == ("call failed", "Enrol", "ValueError")
    assert line["at"][-1].endswith(" parse")
    assert "secret" not in ran.stderr
