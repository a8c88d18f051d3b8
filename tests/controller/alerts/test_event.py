"""OCSF events: the fields of class 2006 and what Lockgate adds."""

import json
import uuid

import pytest
from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from lockgate.controller.alerts import event
from lockgate.policy.canary import CANARY
from lockgate.scan.report import FindingClass
from lockgate.wire.ids import uuid7
from lockgate.wire.transfer import (
    Decision,
    Enforcement,
    GuardChange,
    HoldReason,
    Receipt,
    Verdict,
)

PUBLISHED = OcsfJsonSchemaEmbedded(get_ocsf_schema("1.4.0")).get_class_schema(
    "data_security_finding", ["security_control", "host"]
)


def decision(verdict, **changes):
    """A decision with this verdict."""
    reason = HoldReason.POLICY if verdict is Verdict.HOLD else None
    return Decision(
        verdict=verdict, hold_reason=reason, rule="r", policy_digest="ee" * 32, **changes
    )


def assert_well_formed(made):
    """What every event of class 2006 has, and nothing that the published schema does not know."""
    Draft202012Validator(PUBLISHED).validate(json.loads(json.dumps(made)))
    assert (made["class_uid"], made["category_uid"]) == (2006, 2)
    assert made["type_uid"] == 200600 + made["activity_id"]
    assert {"uid", "title"} <= made["finding_info"].keys()
    assert {"version", "product"} <= made["metadata"].keys()
    assert uuid.UUID(made["metadata"]["uid"]).version == 7


@pytest.mark.parametrize("verdict", list(Verdict))
def test_a_decision_claims_no_more_than_a_detection(samples, verdict):
    """Whatever was decided, nothing has been done yet: action unknown, disposition Detected."""
    finding = samples.finding(protected_name="token-signing", class_=FindingClass.PROTECTED)
    report, transfer = samples.report(finding), samples.transfer()
    made = event.verdict_event(transfer, report, decision(verdict), 17, samples.now)
    assert_well_formed(made)
    assert (made["activity_id"], made["action"], made["disposition"]) == (1, "Unknown", "Detected")
    assert (made["action_id"], made["disposition_id"]) == (0, 15)
    assert made["finding_info"]["uid"] == transfer.transfer_id
    assert made["file"]["hashes"] == [
        {"algorithm_id": 3, "algorithm": "SHA-256", "value": report.sha256}
    ]
    assert (made["file"]["name"], made["device"]["hostname"]) == ("core.1", "host-1")
    assert made["actor"]["process"]["pid"] == 77
    ours = made["unmapped"]["lockgate"]
    assert (ours["ledger_index"], ours["verdict"]) == (17, verdict.value)
    assert ours["fingerprints"] == [finding.fingerprint]
    assert ours["protected_names"] == ["token-signing"]
    (key,) = ours["keys"]
    assert (key["fingerprint"], key["offset"]) == (finding.fingerprint, 10)
    (told,) = made["data_security"]["discovery_details"]
    assert (told["value"], told["type"]) == (finding.fingerprint, "protected RSA private-key")


@pytest.mark.parametrize(
    ("class_", "severity"),
    [
        (FindingClass.PROTECTED, 5),
        (FindingClass.PRIVATE, 4),
        (FindingClass.CREDENTIAL, 4),
        (FindingClass.SESSION, 3),
        (FindingClass.ENCRYPTED, 3),
        (FindingClass.RNG, 2),
        (FindingClass.TEST, 2),
    ],
)
def test_severity_follows_the_worst_class(samples, class_, severity):
    """The worst finding of a file decides; a milder one beside it does not."""
    mild = samples.finding(class_=FindingClass.TEST, fingerprint="sha256:" + "00" * 32)
    report = samples.report(mild, samples.finding(class_=class_))
    assert event.verdict_severity(report, decision(Verdict.ALLOW)) == severity


def test_a_held_file_without_findings_is_medium_and_a_page_is_critical(samples):
    """A gap is not nothing, and what pages is critical."""
    report = samples.report(gaps=(samples.gap(),))
    assert event.verdict_severity(report, decision(Verdict.HOLD)) == 3
    assert event.verdict_severity(report, decision(Verdict.BLOCK, page=True)) == 5
    made = event.verdict_event(samples.transfer(), report, decision(Verdict.HOLD), 1, samples.now)
    assert made["unmapped"]["lockgate"]["gaps"] == ["truncated"]
    assert made["unmapped"]["lockgate"]["hold_reason"] == "policy"


def receipt(samples, verdict, enforcement):
    """A receipt of this enforcement."""
    reason = HoldReason.POLICY if verdict is Verdict.HOLD else None
    return Receipt(uuid7(), verdict, enforcement, reason, 1, samples.now, path="/zone/a")


DONE = {
    Enforcement.ALLOWED: ("Allowed", 1, "Allowed"),
    Enforcement.DENIED: ("Denied", 2, "Blocked"),
    Enforcement.QUARANTINED: ("Denied", 3, "Quarantined"),
    Enforcement.QUARANTINE_FAILED: ("Denied", 27, "Error"),
    Enforcement.NOT_ENFORCED: ("Allowed", 17, "Logged"),
    Enforcement.RESTORED: ("Allowed", 9, "Restored"),
    Enforcement.TAKEN_IN: ("Denied", 3, "Quarantined"),
    Enforcement.NOT_KEPT: ("Denied", 6, "Dropped"),
}


@pytest.mark.parametrize("enforcement", list(Enforcement))
def test_a_receipt_updates_the_finding_of_its_transfer(samples, enforcement):
    """Every enforcement has its action and disposition; finding and keys are the verdict's."""
    done = receipt(samples, Verdict.BLOCK, enforcement)
    found = {"sha256:" + "ab" * 32: FindingClass.PRIVATE}
    made = event.receipt_event(done, "host-1", found, 18, samples.now)
    assert_well_formed(made)
    assert (made["activity_id"], made["finding_info"]["uid"]) == (2, done.transfer_id)
    assert (made["action"], made["disposition_id"], made["disposition"]) == DONE[enforcement]
    assert made["finding_info"]["types"] == ["private"]
    assert made["unmapped"]["lockgate"]["enforcement"] == enforcement.value
    assert made["unmapped"]["lockgate"]["fingerprints"] == list(found)


def test_an_update_is_no_milder_than_its_worst_key(samples):
    """Stopping a protected key does not make it a medium matter; not stopping any is high."""
    stopped = receipt(samples, Verdict.QUARANTINE, Enforcement.QUARANTINED)
    classes = (FindingClass.TEST, FindingClass.PROTECTED)
    assert event.receipt_severity(stopped, classes) == 5
    watched = receipt(samples, Verdict.HOLD, Enforcement.NOT_ENFORCED)
    assert event.receipt_severity(watched) == 4


def test_a_file_that_got_out_against_its_verdict_is_critical(samples):
    """ALLOWED after BLOCK is the worst that can be told."""
    assert event.receipt_severity(receipt(samples, Verdict.BLOCK, Enforcement.ALLOWED)) == 5
    assert event.receipt_severity(receipt(samples, Verdict.BLOCK, Enforcement.DENIED)) == 3


@pytest.mark.parametrize("change", list(GuardChange))
def test_a_guard_that_sees_nothing_is_severe(samples, change):
    """A loss is high, a weaker guard medium, the others informational."""
    made = event.guard_event(change, "host-1", "signing", "by root", 3, samples.now)
    assert_well_formed(made)
    severity = {
        GuardChange.DISARMED: 4,
        GuardChange.BLIND: 4,
        GuardChange.INTAKE_DRIFT: 4,
        GuardChange.INTAKE_DISABLED: 4,
        GuardChange.DEGRADED: 3,
    }
    assert made["severity_id"] == severity.get(change, 1)


def test_an_overdue_receipt_names_transfer_and_verdict(samples):
    """Silence after a verdict is told with what was decided."""
    made = event.overdue_event("t-1", "host-1", 9, Verdict.QUARANTINE, samples.now)
    assert_well_formed(made)
    ours = made["unmapped"]["lockgate"]
    assert (ours["event"], ours["transfer_id"], ours["verdict"]) == (
        "receipt-overdue",
        "t-1",
        "QUARANTINE",
    )


def test_a_hostile_number_of_findings_makes_a_bounded_event(samples):
    """Ten thousand keys in one file do not make a ten-megabyte event."""
    many = [samples.finding(fingerprint=f"sha256:{n:064x}") for n in range(10_000)]
    made = event.verdict_event(
        samples.transfer(), samples.report(*many), decision(Verdict.BLOCK), 1, samples.now
    )
    assert len(made["unmapped"]["lockgate"]["keys"]) == 100
    assert len(made["data_security"]["discovery_details"]) == 100
    assert made["data_security"]["total"] == 10_000
    assert len(json.dumps(made)) < 100_000


def test_the_canary_has_one_name():
    """The name agents register is the one that is never paged."""
    assert CANARY == "lockgate-canary"
