"""Messages of every released version are read as what they meant, and accepted."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from google.protobuf.message_factory import GetMessageClass

sys.path.insert(0, str(Path(__file__).parent))

import golden

from lockgate.v1 import agent_pb2
from lockgate.wire.validate import violations

STORED = sorted(golden.FOLDER.glob("*/*.binpb"))
CLASSES = {
    descriptor.name: GetMessageClass(descriptor)
    for service in golden.SERVICES
    for method in service.methods
    for descriptor in (method.input_type, method.output_type)
}


@pytest.mark.parametrize("path", STORED, ids=[f"{p.parent.name}-{p.stem}" for p in STORED])
def test_a_message_of_that_version_says_the_same_now(path: Path) -> None:
    """Its bytes mean what they meant, nothing of them is unknown, and it breaks no rule."""
    read = CLASSES[path.stem.partition("-")[0]].FromString(path.read_bytes())
    assert golden.meaning(read) == path.with_suffix(".json").read_text()
    assert violations(read) == ()


def test_every_version_kept_every_message_that_it_had() -> None:
    """Bytes and meaning stand side by side, and there is at least this version."""
    versions = [folder for folder in golden.FOLDER.iterdir() if folder.is_dir()]
    assert versions
    for folder in versions:
        stems = {path.stem for path in folder.glob("*.binpb")}
        assert stems == {path.stem for path in folder.glob("*.json")}
        assert "RequestVerdictRequest" in stems


def test_the_generator_fills_every_message_within_its_bounds() -> None:
    """Also those that were added since the last version."""
    for name, message in golden.messages():
        assert violations(message) == (), name
        assert message.ListFields() or not message.DESCRIPTOR.fields, name


def test_every_arm_of_the_stream_has_its_message() -> None:
    """Down to each command."""
    names = {name for name, _ in golden.messages()}
    for direction in ("ConnectRequest", "ConnectResponse"):
        content = agent_pb2.DESCRIPTOR.message_types_by_name[direction].oneofs_by_name["content"]
        for field in content.fields:
            assert any(name.startswith(f"{direction}-{field.name}") for name in names)
    assert "ConnectResponse-command-quarantine" in names


def test_what_was_released_is_not_written_again(tmp_path: Path) -> None:
    """A folder that is there is left as it is."""
    golden.write(tmp_path / "1")
    with pytest.raises(FileExistsError):
        golden.write(tmp_path / "1")
