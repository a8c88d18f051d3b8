"""The controller's own protected keys."""

import pytest

from lockgate.controller import registry
from lockgate.controller.registry.protected import ProtectedKeys
from lockgate.scan.protected import KeyRecord
from lockgate.scan.registry import RegistryError
from lockgate.scan.report import FindingClass, Outcome, Proof

PRINT = "sha256:" + "ab" * 32


def test_a_registered_key_is_protected_whatever_the_agent_said(samples):
    """A test key or canary of the agent's becomes the protected key of the controller."""
    keys = ProtectedKeys({PRINT: "token-signing"})
    for claimed in FindingClass:
        finding = samples.finding(class_=claimed, protected_name="lockgate-canary")
        raised = keys.apply(samples.report(finding)).findings[0]
        assert raised.class_ is FindingClass.PROTECTED
        assert raised.protected_name == "token-signing"
        assert raised.proof == (Proof.RSA_FACTORS, Proof.REGISTERED)
        assert keys.apply(samples.report(raised)).findings[0] == raised


@pytest.mark.parametrize("class_", list(FindingClass))
def test_other_findings_stay_as_they_are(samples, class_):
    """Nothing is lowered, named or lost."""
    report = samples.report(samples.finding(class_=class_, protected_name="named by agent"))
    assert ProtectedKeys({"sha256:" + "00" * 32: "other"}).apply(report) == report


def test_a_raised_test_key_makes_the_outcome_found(samples):
    """The outcome follows from the findings as they are now."""
    report = samples.report(samples.finding(class_=FindingClass.TEST))
    assert report.outcome is Outcome.CLEAN
    assert ProtectedKeys({PRINT: "x"}).apply(report).outcome is Outcome.FOUND


def test_registry_files_are_loaded_by_their_content(tmp_path):
    """A certificate's public half gives the fingerprint that scans compute."""
    import hashlib

    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    path = tmp_path / "signing.pem"
    path.write_bytes(public.public_bytes(serialization.Encoding.PEM, form))
    spki = public.public_bytes(serialization.Encoding.DER, form)
    keys = ProtectedKeys.of(registry.load([path]))
    assert len(keys) == 1
    assert f"sha256:{hashlib.sha256(spki).hexdigest()}" in keys


def test_a_key_outside_its_zones_is_misplaced(samples):
    """Only where zones are named, and only for the key that names them."""
    kept, free = samples.finding(), samples.finding(fingerprint="sha256:" + "cd" * 32)
    keys = ProtectedKeys(
        {kept.fingerprint: "a", free.fingerprint: "b"},
        {kept.fingerprint: KeyRecord(zones=("signing", "hsm"))},
    )
    report = samples.report(kept, free)
    assert keys.misplaced(report, "signing") == frozenset()
    assert keys.misplaced(report, "debugging") == {kept.fingerprint}


def test_no_key_may_be_called_as_canaries_are(tmp_path):
    """Such a key would leak without an incident."""
    path = tmp_path / "registry.toml"
    path.write_text(f'[[key]]\nname = "lockgate-canary"\nfingerprint = "{PRINT}"\n')
    with pytest.raises(RegistryError, match="lockgate-canary"):
        registry.load([path])
