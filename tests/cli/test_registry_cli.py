"""``lockgate registry`` keeps a file of public keys."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import ec
from typer.testing import CliRunner

from lockgate.cli.registry import app
from lockgate.scan.registry import Registry


@pytest.fixture
def run():
    """Run the command with arguments."""
    return lambda *arguments: CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def public(tmp_path):
    """A public key file and the key pair."""
    key = ec.generate_private_key(ec.SECP256R1())
    path = tmp_path / "public"
    form = (ser.Encoding.PEM, ser.PublicFormat.SubjectPublicKeyInfo)
    path.write_bytes(key.public_key().public_bytes(*form))
    return path, key


def test_added_keys_are_listed_and_checked(run, public, tmp_path):
    """Add, list and check agree with one another and with the library."""
    registry = tmp_path / "registry.toml"
    assert run("add", registry, public[0], "--name", 'ключ "one"').exit_code == 0
    listed = json.loads(run("list", registry, "--json").stdout)
    (entry,) = Registry.load([registry])
    assert (listed["name"], listed["fingerprint"]) == ('ключ "one"', entry.fingerprint)
    assert entry.fingerprint in run("list", registry).stdout
    assert json.loads(run("check", registry, "--json").stdout) == {"keys": 1, "searchable": 1}
    assert "1 keys" in run("check", registry).stdout


def test_adding_twice_changes_nothing(run, public, tmp_path):
    """A key is in the registry once."""
    registry = tmp_path / "registry.toml"
    run("add", registry, public[0])
    before = registry.read_bytes()
    assert "0 added, 1 in all" in run("add", registry, public[0]).stdout
    assert registry.read_bytes() == before


def test_private_key_is_refused_and_the_registry_unchanged(run, public, tmp_path):
    """Exit code 2, a plain message, and nothing written."""
    registry, private = tmp_path / "registry.toml", tmp_path / "private"
    sealing = (ser.Encoding.PEM, ser.PrivateFormat.PKCS8, ser.NoEncryption())
    private.write_bytes(public[1].private_bytes(*sealing))
    result = run("add", registry, private)
    assert result.exit_code == 2
    assert "holds a private key" in result.stderr
    assert not registry.exists()


def test_failed_write_leaves_no_temporary_file(run, public, tmp_path):
    """A folder in place of the file: exit code 2 and nothing left behind."""
    folder = tmp_path / "folder"
    folder.mkdir()
    assert run("add", folder, public[0]).exit_code == 2
    assert run("add", tmp_path / "absent" / "registry", public[0]).exit_code == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder", "public"]


def test_one_name_for_several_keys_is_refused(run, public, tmp_path):
    """A name belongs to one key."""
    path, _ = public
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    form = (ser.Encoding.PEM, ser.PublicFormat.SubjectPublicKeyInfo)
    path.write_bytes(path.read_bytes() + other.public_bytes(*form))
    assert run("add", tmp_path / "r", path, "--name", "one").exit_code == 2


def test_unusable_registry_is_an_error(run, tmp_path):
    """List and check of a file that is none."""
    path = tmp_path / "registry"
    path.write_text("nonsense")
    assert run("list", path).exit_code == run("check", path).exit_code == 2
