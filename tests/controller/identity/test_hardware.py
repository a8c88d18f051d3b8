"""The authority's key in a PKCS#11 token: a real one of SoftHSM, made for these tests."""

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from lockgate.controller import config, setup
from lockgate.controller.identity import authority, hardware
from lockgate.controller.identity.faults import IdentityError

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MODULE = "/usr/lib/softhsm/libsofthsm2.so"
PIN = "7531902468"


@pytest.fixture(scope="session")
def token(tmp_path_factory):
    """The folder of a token with a PIN file; its module reads the environment once."""
    if shutil.which("softhsm2-util") is None:
        pytest.skip("needs SoftHSM (Debian: apt-get install softhsm2)")
    folder = tmp_path_factory.mktemp("token")
    (folder / "tokens").mkdir()
    settings = folder / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\n")
    pin_file = folder / "pin"
    pin_file.write_text(f"{PIN}\n")
    pin_file.chmod(0o600)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(settings))
        make = ["softhsm2-util", "--init-token", "--free", "--label", "lockgate"]
        subprocess.run([*make, "--pin", PIN, "--so-pin", "8" * 8], check=True, capture_output=True)
        yield folder


def uri_of(folder, label="ca", token="lockgate", pin="pin", module=MODULE):
    """The URI of a key in the token of ``folder``."""
    return (
        f"pkcs11:token={token};object={label}?module-path={module}&pin-source=file:{folder / pin}"
    )


def test_an_authority_in_a_token_issues_what_one_in_a_file_does(token, tmp_path):
    """Its certificates verify; no private key of the CA is on disk; it is there after a restart."""
    made = authority.create(tmp_path / "id", "test.internal", NOW, uri_of(token))
    assert not (tmp_path / "id" / authority.CA_KEY).exists()
    assert (tmp_path / "id" / authority.CA_KEY_URI).stat().st_mode & 0o777 == 0o600
    loaded = authority.load(tmp_path / "id")
    assert loaded.sha256 == made.sha256
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    leaf = loaded.issue_agent("host-1", key, NOW, timedelta(hours=1))
    leaf.verify_directly_issued_by(loaded.certificate)
    shown = loaded.issue_server(["localhost"], NOW, timedelta(days=90)).chain
    server = x509.load_pem_x509_certificate(shown)
    server.verify_directly_issued_by(loaded.certificate)


def test_the_key_never_leaves_the_token(token):
    """Whoever asks for it gets an error; its signatures verify."""
    key = hardware.make(hardware.parse(uri_of(token, "stays")))
    key.public_key().verify(
        key.sign(b"words", ec.ECDSA(hashes.SHA256())), b"words", ec.ECDSA(hashes.SHA256())
    )
    none = serialization.NoEncryption()
    with pytest.raises(IdentityError, match="stays in its token"):
        key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, none)
    with pytest.raises(IdentityError, match="stays in its token"):
        key.private_numbers()
    with pytest.raises(IdentityError, match="SHA-256"):
        key.sign(b"words", ec.ECDSA(hashes.SHA512()))


def test_a_key_that_is_there_is_used_not_made_again(token):
    """A ceremony may have made it."""
    first = hardware.make(hardware.parse(uri_of(token, "kept")))
    second = hardware.make(hardware.parse(uri_of(token, "kept")))
    assert first.public_key() == second.public_key()


def test_a_session_that_was_lost_is_opened_again(token):
    """A token may be taken out and put in."""
    key = hardware.make(hardware.parse(uri_of(token, "lost")))
    key.sign(b"words", ec.ECDSA(hashes.SHA256()))
    key._session.close()
    assert key.sign(b"words", ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"token": "nobody"}, "NoSuchToken"),
        ({"label": "nothing"}, "NoSuchKey"),
        ({"pin": "absent"}, "not a readable PIN"),
        ({"pin": "loose"}, "chmod it to 0600"),
    ],
)
def test_a_token_that_cannot_be_used_is_told_without_the_pin(token, changes, told):
    """What is wrong, in one line."""
    (token / "loose").write_text(PIN)
    (token / "loose").chmod(0o644)
    with pytest.raises(IdentityError, match=told) as caught:
        hardware.TokenKey(hardware.parse(uri_of(token, **changes)))
    assert PIN not in str(caught.value)


def test_a_wrong_pin_makes_no_controller(token, tmp_path):
    """One line, exit code 2; in a process of its own, since a login is a process's."""
    (token / "wrong").write_text("0000")
    (token / "wrong").chmod(0o600)
    done = subprocess.run(
        [Path(sys.executable).with_name("lockgate"), "controller", "init", "--dir", tmp_path / "c"],
        env={**os.environ, "LOCKGATE_AUTHORITY": uri_of(token, pin="wrong")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    told = "lockgate controller: token lockgate, key ca: PinIncorrect\n"
    assert done.stderr == told


def test_a_certificate_of_another_key_is_refused(token, tmp_path):
    """The CA's certificate and the key in the token belong together."""
    folder = tmp_path / "id"
    authority.create(folder, "test.internal", NOW, uri_of(token, "one"))
    hardware.make(hardware.parse(uri_of(token, "two")))
    (folder / authority.CA_KEY_URI).write_text(uri_of(token, "two"))
    with pytest.raises(IdentityError, match="not of the authority's key"):
        authority.load(folder)


def test_a_controller_is_made_and_used_with_a_key_in_a_token(token, tmp_path):
    """By the setting ``authority``; tokens and enrolments work as ever."""
    flags = {"state_dir": tmp_path / "state", "authority": uri_of(token, "controller")}
    settings = config.load(flags=flags, environment={})
    setup.initialise(settings)
    joined = setup.make_token(settings, None, timedelta(minutes=1))
    assert joined.ca_sha256 == authority.load(settings.identity_dir).sha256


@pytest.mark.parametrize(
    "uri",
    [
        "file:/etc/passwd",
        "pkcs11:token=a",
        "pkcs11:object=b?module-path=/m&pin-source=file:/p",
        "pkcs11:token=a;object=b?pin-source=file:/p",
        "pkcs11:token=a;object=b?module-path=/m&pin-source=/p",
        "pkcs11:token=a;object=b?module-path=/m&pin-source=file:/p&pin-value=1234",
    ],
)
def test_a_setting_that_names_no_key_is_refused_when_it_is_read(uri):
    """Before anything is made."""
    with pytest.raises(ValueError, match=r"PKCS#11|PIN"):
        config.ControllerSettings(authority=uri)


names = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=20)


@given(names, names)
def test_what_a_uri_names_is_read_from_it(token_label, label):
    """Also percent-encoded."""
    encoded = "".join(f"%{ord(letter):02x}" for letter in label)
    uri = f"pkcs11:token={token_label};object={encoded}?module-path=/m&pin-source=file:/p"
    assert hardware.parse(uri) == hardware.KeyPlace("/m", token_label, label, Path("/p"))
