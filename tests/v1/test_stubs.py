"""The contract: stubs are fresh, the style is the standard one, every field has a bound."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.descriptor import FieldDescriptor

from lockgate.wire.bounds import BOUNDS

PROTO = Path(__file__).parents[2] / "proto"
FILES = [
    importlib.import_module(f"lockgate.v1.{path.stem}_pb2")
    for path in sorted((PROTO / "lockgate" / "v1").glob("*.proto"))
]
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    "PYTHON": sys.executable,
}


def test_the_committed_stubs_are_what_generation_gives(tmp_path):
    """Byte for byte, and none is missing or left over."""
    subprocess.run([PROTO / "generate", tmp_path], check=True, env=ENVIRONMENT, timeout=60)
    fresh = {p.name: p.read_bytes() for p in (tmp_path / "lockgate" / "v1").iterdir()}
    stored = {p.name: p.read_bytes() for p in (PROTO / "lockgate" / "v1").glob("*_pb2*.py*")}
    assert stored == fresh


def test_buf_finds_no_fault():
    """The STANDARD lint rules of buf hold."""
    done = subprocess.run(
        ["buf", "lint"],
        cwd=PROTO,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def fields():
    """Every field of every message of the contract."""
    for file in FILES:
        for message in file.DESCRIPTOR.message_types_by_name.values():
            for field in message.fields:
                yield pytest.param(f"{message.name}.{field.name}", field, id=field.full_name)


@pytest.mark.parametrize(("name", "field"), list(fields()))
def test_every_field_with_a_length_has_a_bound_and_no_other(name, field):
    """Strings, bytes and repeated fields are bounded; the table lists nothing else."""
    texts = {FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES}
    assert (name in BOUNDS) is (field.is_repeated or field.type in texts)
    if field.is_repeated:
        assert BOUNDS[name].items


def test_the_table_of_bounds_names_only_fields_that_are():
    """A removed field leaves no bound behind."""
    assert BOUNDS.keys() <= {param.values[0] for param in fields()}
