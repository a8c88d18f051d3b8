"""``lockgate bundle``: signed here, verified there, and never older than before."""

import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner

from lockgate.wire.bundle_cli import app

PACK, OTHER_PACK = ("sha256:" + digit * 64 for digit in "ab")


def private_pem(key):
    """A private key as a file holds it."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


@pytest.fixture
def bundle(tmp_path):
    """Runs the command on a file of rules with a key of its own."""
    key = Ed25519PrivateKey.generate()
    (tmp_path / "key.pem").write_bytes(private_pem(key))
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (tmp_path / "key.pub").write_bytes(public)
    (tmp_path / "rules.tar").write_bytes(b"rules")

    def run(verb, *more, kind="rule-pack"):
        files = {"sign": "key.pem", "verify": "key.pub"}
        common = ("--key", tmp_path / files[verb], "--installation", "here")
        state = ("--state", tmp_path / "state.json", "--json") if verb == "verify" else ()
        words = [verb, kind, tmp_path / "rules.tar", *common, *state, *more]
        done = CliRunner().invoke(app, [str(word) for word in words])
        said = json.loads(done.stdout) if done.stdout.startswith("{") else {}
        return done.exit_code, said.get("reason", done.stderr)

    run.folder = tmp_path
    return run


def test_what_was_signed_is_accepted_and_nothing_older_is(bundle):
    """The second version ends the first; a second look at the second is fine."""
    assert bundle("sign", "--version", "1", "--rule-pack", PACK)[0] == 0
    first = (bundle.folder / "rules.tar.bundle.json").read_bytes()
    assert bundle("verify") == (0, "")
    assert bundle("sign", "--version", "2", "--rule-pack", PACK)[0] == 0
    assert [bundle("verify") for _ in range(2)] == [(0, "")] * 2
    (bundle.folder / "rules.tar.bundle.json").write_bytes(first)
    assert bundle("verify") == (1, "rollback")


def test_a_policy_for_other_rule_packs_is_refused(bundle):
    """It names those that it was made for; without a name it is this scanner's."""
    bundle("sign", "--version", "1", "--rule-pack", PACK, "--rule-pack", OTHER_PACK, kind="policy")
    assert bundle("verify", "--rule-pack", OTHER_PACK, kind="policy") == (0, "")
    assert bundle("verify", kind="policy") == (1, "mix-and-match")
    bundle("sign", "--version", "2", kind="policy")
    assert bundle("verify", kind="policy") == (0, "")


def test_other_bytes_and_another_kind_are_refused(bundle):
    """Whatever else is right."""
    bundle("sign", "--version", "1")
    assert bundle("verify", kind="policy") == (1, "kind")
    (bundle.folder / "rules.tar").write_bytes(b"other rules")
    assert bundle("verify") == (1, "content")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"version": 1}', "[" * 100_000])
def test_a_state_that_cannot_be_read_accepts_nothing(bundle, text):
    """Somebody has to look; it is not taken for the first time."""
    bundle("sign", "--version", "1")
    (bundle.folder / "state.json").write_text(text)
    assert bundle("verify") == (1, "record")


def test_a_wrong_question_is_one_line(bundle):
    """A key of another kind, no key, no file, no rule pack."""
    bundle("sign", "--version", "1")
    assert bundle("sign", "--version", "1", "--rule-pack", "mine")[0] == 2
    (bundle.folder / "key.pem").write_bytes(private_pem(ec.generate_private_key(ec.SECP256R1())))
    code, said = bundle("sign", "--version", "2")
    assert (code, said.count("\n")) == (2, 1)
    (bundle.folder / "key.pub").write_text("none")
    assert bundle("verify")[0] == 2
    (bundle.folder / "rules.tar").unlink()
    assert "No such file" in bundle("sign", "--version", "1", "--key", "/none")[1]
