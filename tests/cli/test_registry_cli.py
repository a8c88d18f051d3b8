"""``lockgate registry`` keeps a file of public keys."""

from __future__ import annotations

import hashlib
import json
import os

import pytest
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import ec
from typer.testing import CliRunner

from lockgate.cli.registry import app
from lockgate.scan.registry import Registry
from lockgate.scan.salt import Salt


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


def test_secret_is_added_by_fingerprint_and_anchor(run, tmp_path):
    """The registry holds nothing of it but what cannot be turned round."""
    registry, secret = tmp_path / "registry.toml", tmp_path / "secret"
    content = os.urandom(32)
    secret.write_text(content.hex() + "\n")
    added = run("add", registry, "--secret-file", secret, "--encoding", "hex", "--name", "ticket")
    assert added.exit_code == 0
    (entry,) = Registry.load([registry])
    assert (entry.name, entry.bits) == ("ticket", 256)
    assert entry.fingerprint == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert entry.anchor is not None
    assert entry.anchor.length == 32
    assert content.hex() not in registry.read_text() + added.stdout
    assert json.loads(run("check", registry, "--json").stdout) == {"keys": 1, "searchable": 1}


def test_secret_is_read_from_standard_input(tmp_path):
    """So that it needs no file."""
    content = os.urandom(32)
    arguments = ["add", str(tmp_path / "registry"), "--secret-file", "-"]
    assert CliRunner().invoke(app, arguments, input=content).exit_code == 0
    (entry,) = Registry.load([tmp_path / "registry"])
    assert entry.fingerprint == f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_weak_secret_needs_the_salt(run, tmp_path):
    """Refused without it and not quoted; with it, known by a keyed fingerprint alone."""
    registry, secret, salt = tmp_path / "registry.toml", tmp_path / "secret", tmp_path / "salt"
    secret.write_text("hunter2\n")
    refused = run("add", registry, "--secret-file", secret)
    assert refused.exit_code == 2
    assert "hunter2" not in refused.stderr
    assert not registry.exists()
    salt.write_bytes(b"test salt, which protects nothing" * 2)
    assert run("add", registry, "--secret-file", secret, "--salt-file", salt).exit_code == 0
    (entry,) = Registry.load([registry])
    assert entry.fingerprint == Salt(salt.read_bytes()).fingerprint(b"hunter2")
    assert not entry.is_searchable


@pytest.mark.parametrize("arguments", [[], ["--encoding", "hex"], ["public", "--secret-file", "x"]])
def test_keys_or_one_secret_must_be_given(run, arguments, tmp_path):
    """Neither and both are wrong usage."""
    assert run("add", tmp_path / "registry", *arguments).exit_code == 2


def test_unreadable_secret_salt_and_encoding_are_errors(run, public, tmp_path):
    """Exit code 2 and nothing written."""
    registry, absent = tmp_path / "registry", tmp_path / "absent"
    assert run("add", registry, "--secret-file", absent).exit_code == 2
    given = ("--secret-file", public[0])
    assert run("add", registry, *given, "--encoding", "hex").exit_code == 2
    assert run("add", registry, *given, "--salt-file", absent).exit_code == 2
    assert not registry.exists()
