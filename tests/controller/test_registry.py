"""The controller's own protected keys."""

import pytest

from lockgate.controller import registry
from lockgate.controller.registry import ProtectedKeys
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
    keys = registry.load([path])
    assert len(keys) == 1
    assert f"sha256:{hashlib.sha256(spki).hexdigest()}" in keys
