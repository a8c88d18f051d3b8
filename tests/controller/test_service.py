"""The serving controller, as an agent and an operator see it: real process, real mTLS."""

import contextlib
import dataclasses
import json
import signal
import threading
import time
import urllib.request
from datetime import UTC, datetime

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from lockgate.controller import setup
from lockgate.controller.store import reading
from lockgate.policy.canary import CANARY
from lockgate.scan.report import FindingClass
from lockgate.v1 import decision_pb2, enrolment_pb2, transfer_pb2
from lockgate.wire.ids import uuid7
from lockgate.wire.transfer import Enforcement, HoldReason, Receipt, Verdict


def refused(call, *arguments):
    """The status code and reason of a call that must be refused."""
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, timeout=10)
    error = caught.value
    reason = dict(error.trailing_metadata() or ()).get("lockgate-reason")
    assert "Traceback" not in error.details()
    return error.code(), reason


def receipt_for(transfer, verdict=Verdict.BLOCK, enforcement=Enforcement.DENIED):
    """What an agent says it did about a transfer."""
    now = datetime.now(UTC)
    return Receipt(transfer.transfer_id, verdict, enforcement, None, 1, now, path=transfer.path)


def wait_until(check, seconds=60.0):
    """What ``check`` gives as soon as it is true."""
    end = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.05)
    return found


def alert_lines(controller):
    """What the file sink has written; a line that is being written does not count yet."""
    path = controller.state / "alerts.jsonl"
    whole = path.read_text().rpartition("\n")[0] if path.exists() else ""
    return [json.loads(line) for line in whole.splitlines()]


def test_a_clean_file_is_allowed_with_a_passport_and_no_alert(controller, agent, samples):
    """ALLOW of a clean report carries a passport and a ledger index."""
    answer = agent.ask(samples.transfer(), samples.report())
    assert answer.decision.verdict == transfer_pb2.VERDICT_ALLOW
    assert answer.passport
    entry = controller.entries()[answer.ledger_index]
    assert (entry["kind"], entry["verdict"], entry["host"]) == ("verdict", "ALLOW", "host-1")
    assert controller.read(reading.alerts_of, 1000) == []


def test_a_key_is_stopped_recorded_and_alerted(controller, agent, samples):
    """Verdict, receipt, incident and alert all tell of the same key, file and transfer."""
    finding, transfer = samples.finding(), samples.transfer()
    answer = agent.ask(transfer, samples.report(finding))
    assert answer.decision.verdict == transfer_pb2.VERDICT_BLOCK
    assert answer.passport == b""
    told = agent.tell(receipt_for(transfer))
    shown = controller.read(reading.transfers, 100)[0]
    assert shown["transfer_id"] == transfer.transfer_id
    assert shown["fingerprints"] == [finding.fingerprint]
    assert shown["receipts"][0]["ledger_index"] == told.ledger_index
    assert shown["opener"]["pid"] == 77
    incident = controller.read(reading.incidents_of, 100)[0]
    assert incident["fingerprint"] == finding.fingerprint
    assert incident["files"] == ["host-1:/zone/core.1"]
    events = wait_until(lambda: len(alert_lines(controller)) == 2 and alert_lines(controller))
    assert [e["activity_id"] for e in events] == [1, 2]
    assert [e["disposition"] for e in events] == ["Detected", "Blocked"]
    assert {e["finding_info"]["uid"] for e in events} == {transfer.transfer_id}
    assert all(e["unmapped"]["lockgate"]["fingerprints"] == [finding.fingerprint] for e in events)
    assert events[0]["unmapped"]["lockgate"]["ledger_index"] == answer.ledger_index
    wait_until(
        lambda: (
            {a["delivery"]["file"] for a in controller.read(reading.alerts_of, 1000)}
            == {"delivered"}
        )
    )


def test_the_ledger_names_no_person(controller, agent, samples):
    """Path, command and uid stand in the store only; the ledger has a commitment."""
    agent.ask(samples.transfer(path="/zone/of-jane"), samples.report(samples.finding()))
    text = json.dumps(controller.entries())
    assert "jane" not in text
    assert "cp core.1" not in text
    assert '"personal": "sha256:' in text


def test_one_key_in_many_files_is_one_incident(controller, samples):
    """Hosts and files of a key gather under its fingerprint."""
    finding = samples.finding()
    for host in ("host-1", "host-2"):
        agent = controller.enrol(host)
        for name in ("a", "b"):
            transfer = samples.transfer(host, path=f"/zone/{name}")
            agent.ask(transfer, samples.report(finding))
    incident = controller.read(reading.incidents_of, 100)
    assert len(incident) == 1
    assert incident[0]["hosts"] == ["host-1", "host-2"]
    assert incident[0]["files"] == [f"host-{n}:/zone/{x}" for n in (1, 2) for x in "ab"]


def test_canaries_are_counted_and_never_paged(controller, agent, samples):
    """A canary makes no alert and no incident, but a row and a number."""
    canary = samples.finding(protected_name=CANARY, class_=FindingClass.PROTECTED)
    transfer = samples.transfer()
    agent.ask(transfer, samples.report(canary))
    agent.tell(receipt_for(transfer))
    assert controller.read(reading.alerts_of, 1000) == []
    assert controller.read(reading.incidents_of, 100) == []
    assert controller.read(reading.transfers, 100)[0]["canary"] is True
    url = f"http://{controller.addresses['metrics']}/metrics"
    metrics = urllib.request.urlopen(url, timeout=5).read().decode()
    assert 'lockgate_canaries_total{host="host-1"} 1' in metrics
    assert "lockgate_alerts_waiting" in metrics


def test_a_canary_that_got_out_is_an_alert(controller, agent, samples):
    """A guard that lets its own canary through is broken, and that is told."""
    canary = samples.finding(protected_name=CANARY, class_=FindingClass.PROTECTED)
    transfer = samples.transfer()
    agent.ask(transfer, samples.report(canary))
    agent.tell(receipt_for(transfer, enforcement=Enforcement.ALLOWED))
    assert [a["event"]["severity_id"] for a in controller.read(reading.alerts_of, 1000)] == [5]


def test_a_watched_zone_alerts_of_what_was_not_stopped_only(controller, agent, samples):
    """Monitor mode: an unstopped key is Allowed and high; a clean file is no alert."""
    for report in (samples.report(), samples.report(samples.finding())):
        transfer = samples.transfer()
        decided = agent.ask(transfer, report).decision
        verdict = Verdict.BLOCK if decided.verdict == transfer_pb2.VERDICT_BLOCK else Verdict.ALLOW
        agent.tell(receipt_for(transfer, verdict, Enforcement.NOT_ENFORCED))
    events = [a["event"] for a in controller.read(reading.alerts_of, 1000)]
    told = [(e["activity_id"], e["action"], e["disposition"], e["severity_id"]) for e in events]
    assert told == [(1, "Unknown", "Detected", 4), (2, "Allowed", "Logged", 4)]


def test_what_was_held_without_asking_is_a_finding_of_its_own(controller, agent, samples):
    """A hold of the agent's own has no verdict to update: the first receipt is the finding."""
    transfer = samples.transfer()
    held = dataclasses.replace(
        receipt_for(transfer, Verdict.HOLD), hold_reason=HoldReason.LIVE_WRITER
    )
    agent.tell(held)
    agent.tell(held)
    events = [a["event"] for a in controller.read(reading.alerts_of, 1000)]
    told = [(e["activity_name"], e["disposition"], e["finding_info"]["uid"]) for e in events]
    uid = transfer.transfer_id
    assert told == [("Create", "Blocked", uid), ("Update", "Blocked", uid)]


def test_a_repeated_request_gets_the_same_answer(controller, agent, samples):
    """Byte for byte, also after a restart; the ledger grows once."""
    request = agent.verdict_request(samples.transfer(), samples.report())
    first = agent.stub.RequestVerdict(request, timeout=10)
    size = len(controller.entries())
    again = agent.stub.RequestVerdict(request, timeout=10)
    assert controller.stop() == 0
    controller.start()
    agent.connect()
    request.sequence += 1
    later = agent.stub.RequestVerdict(request, timeout=10)
    assert first == again == later
    assert len(controller.entries()) == size


def test_a_request_id_cannot_be_used_for_something_else(controller, agent, samples):
    """Another content, or another agent, under the same id is refused and recorded."""
    request = agent.verdict_request(samples.transfer(), samples.report())
    agent.stub.RequestVerdict(request, timeout=10)
    request.report.size += 1
    expected = (grpc.StatusCode.ALREADY_EXISTS, "request-reused")
    assert refused(agent.stub.RequestVerdict, request) == expected
    other = controller.enrol("host-2")
    stolen = other.verdict_request(samples.transfer("host-2"), samples.report())
    stolen.request_id = request.request_id
    assert refused(other.stub.RequestVerdict, stolen) == expected
    assert [e["reason"] for e in controller.entries() if e["kind"] == "refusal"] == [
        "request-reused"
    ] * 2


def test_a_missing_number_is_in_the_ledger(controller, agent, samples):
    """Messages 1 and 5 leave an entry about 2 to 4."""
    agent.ask(samples.transfer(), samples.report())
    agent.sequence = 4
    agent.ask(samples.transfer(), samples.report())
    gaps = [e for e in controller.entries() if e["kind"] == "sequence-gap"]
    assert [(g["host"], g["first"], g["last"]) for g in gaps] == [("host-1", 2, 4)]


def test_an_agent_speaks_for_its_own_host_only(controller, agent, samples):
    """Neither transfers, receipts nor guards of another host are taken."""
    denied = (grpc.StatusCode.PERMISSION_DENIED, "wrong-host")
    foreign = agent.verdict_request(samples.transfer("host-2"), samples.report())
    assert refused(agent.stub.RequestVerdict, foreign) == denied
    guard = decision_pb2.ReportGuardRequest(
        request_id=uuid7(), sequence=2, host="host-2", change=2, zone={"name": "z"}
    )
    assert refused(agent.stub.ReportGuard, guard) == denied
    other = controller.enrol("host-2")
    transfer = samples.transfer("host-2")
    other.ask(transfer, samples.report(samples.finding()))
    with pytest.raises(grpc.RpcError) as caught:
        agent.tell(receipt_for(transfer))
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    stolen = samples.transfer("host-1", transfer_id=transfer.transfer_id)
    request = agent.verdict_request(stolen, samples.report())
    assert refused(agent.stub.RequestVerdict, request) == denied


def test_a_disarmed_guard_is_in_the_ledger_and_alerted(controller, agent):
    """What became of a guard is recorded with who asked for it, escaped."""
    request = decision_pb2.ReportGuardRequest(
        request_id=uuid7(),
        sequence=1,
        host="host-1",
        zone={"name": "signing"},
        change=decision_pb2.GUARD_CHANGE_DISARMED,
        detail="root on the console\x1b[2J",
    )
    answer = agent.stub.ReportGuard(request, timeout=10)
    entry = controller.entries()[answer.ledger_index]
    assert (entry["kind"], entry["change"], entry["zone"]) == ("guard", "disarmed", "signing")
    assert entry["detail"] == "root on the console\\x1b[2J"
    assert controller.read(reading.alerts_of, 1000)[0]["event"]["severity_id"] == 4


def test_the_controller_keeps_the_last_state_of_every_zone(controller, agent):
    """State, reasons and since when; further reasons do not move the beginning of a state."""
    told = [
        ("signing", "ARMED", "canaries are refused"),
        ("signing", "BLIND", "a canary came out: mmap of a pem file"),
        ("signing", "INTAKE_DRIFT", "core_pattern is core"),
        ("signing", "BLIND", "the zone's filesystem has no mark"),
        ("other", "DEGRADED", "no holder keeps the group alive"),
    ]
    for number, (zone, change, detail) in enumerate(told, start=1):
        request = decision_pb2.ReportGuardRequest(
            request_id=uuid7(),
            sequence=number,
            host="host-1",
            zone={"name": zone},
            change=getattr(decision_pb2, f"GUARD_CHANGE_{change}"),
            detail=detail,
        )
        agent.stub.ReportGuard(request, timeout=10)
    (shown,) = controller.read(reading.agents_of)
    other, signing = shown["zones"]
    assert (other["zone"], other["state"]) == ("other", "degraded")
    assert other["reasons"] == "no holder keeps the group alive"
    assert (signing["state"], signing["reasons"]) == ("blind", told[3][2])
    assert signing["since"] < signing["told_at"]
    assert controller.entries()[signing["ledger_index"]]["detail"] == told[3][2]
    severities = [a["event"]["severity_id"] for a in controller.read(reading.alerts_of, 1000)]
    assert severities == [1, 4, 4, 4, 3]


MALFORMED = {
    "no request id": lambda r: r.ClearField("request_id"),
    "a long request id": lambda r: setattr(r, "request_id", "x" * 10_000),
    "sequence 0": lambda r: setattr(r, "sequence", 0),
    "a sequence beyond any count": lambda r: setattr(r, "sequence", 2**64 - 1),
    "no transfer": lambda r: r.ClearField("transfer"),
    "no report": lambda r: r.ClearField("report"),
    "a transfer id that climbs": lambda r: setattr(r.transfer, "transfer_id", "../../etc"),
    "an unknown boundary": lambda r: setattr(r.transfer, "boundary", 99),
    "no zone": lambda r: r.transfer.ClearField("zone"),
    "a time after all times": lambda r: setattr(r.transfer.attempt_time, "seconds", 2**60),
    "a digest that is none": lambda r: setattr(r.report, "sha256", "nonsense"),
    "a path without end": lambda r: setattr(r.transfer, "path", "p" * 100_000),
    "findings without end": lambda r: [r.report.findings.add() for _ in range(2000)],
}


def test_a_malformed_message_is_refused_with_a_reason(controller, agent, samples):
    """No field can crash the controller, and none is guessed."""
    for name, damage in MALFORMED.items():
        request = agent.verdict_request(samples.transfer(), samples.report())
        damage(request)
        _, reason = refused(agent.stub.RequestVerdict, request)
        assert reason in {"malformed", "wrong-host"}, name
    refusals = [e for e in controller.entries() if e["kind"] == "refusal"]
    assert len(refusals) == len(MALFORMED)
    assert agent.ask(samples.transfer(), samples.report()).ledger_index


UNKNOWN = {
    "an unknown outcome": lambda r: setattr(r.report, "outcome", 99),
    "no outcome": lambda r: setattr(r.report, "outcome", 0),
    "an unknown class": lambda r: r.report.findings.add(
        finding_class=77, fingerprint="sha256:" + "0" * 64
    ),
    "no digest": lambda r: setattr(r.report, "sha256", ""),
    "gaps that are not listed": lambda r: setattr(r.report.coverage, "gap_count", 3),
}


def test_what_is_not_known_is_never_allowed(agent, samples):
    """Unknown values end as a verdict that stops the file, without a passport."""
    for name, damage in UNKNOWN.items():
        request = agent.verdict_request(samples.transfer(), samples.report())
        damage(request)
        answer = agent.stub.RequestVerdict(request, timeout=10)
        assert answer.decision.verdict != transfer_pb2.VERDICT_ALLOW, name
        assert answer.passport == b"", name


def test_the_largest_numbers_are_data(agent, samples):
    """A size that no disk has is recorded, not a fault."""
    request = agent.verdict_request(samples.transfer(), samples.report())
    request.report.size = 2**64 - 1
    request.transfer.identity.inode = 2**64 - 1
    assert agent.stub.RequestVerdict(request, timeout=10).ledger_index > 0


def test_an_oversized_message_is_refused(agent, samples):
    """More than the bound is not read."""
    request = agent.verdict_request(samples.transfer(), samples.report())
    request.report.engine.salt = "s" * (5 * 1024 * 1024)
    code, _ = refused(agent.stub.RequestVerdict, request)
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_bytes_that_are_no_message_are_a_status(agent):
    """Garbage on the wire is refused and the next call works."""
    call = agent.channel.unary_unary("/lockgate.v1.DecisionService/RequestVerdict")
    with pytest.raises(grpc.RpcError) as caught:
        call(b"\xff" * 100, timeout=10)
    assert "Traceback" not in caught.value.details()


def test_without_a_certificate_nothing_is_decided(controller, samples):
    """The mTLS port does not even talk to a peer without one."""
    credentials = grpc.ssl_channel_credentials(controller.ca)
    channel = grpc.secure_channel(controller.addresses["grpc"], credentials)
    call = channel.unary_unary("/lockgate.v1.DecisionService/RequestVerdict")
    with pytest.raises(grpc.RpcError) as caught:
        call(b"", timeout=10)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_a_ban_holds_on_the_open_connection(controller, agent, samples):
    """The next call after the ban is refused, without a new handshake."""
    agent.ask(samples.transfer(), samples.report())
    setup.ban(controller.settings, "host-1", "lost laptop")
    request = agent.verdict_request(samples.transfer(), samples.report())
    denied = (grpc.StatusCode.PERMISSION_DENIED, "banned")
    assert refused(agent.stub.RequestVerdict, request) == denied
    assert {"ban", "refusal"} <= {e["kind"] for e in controller.entries()}
    assert controller.read(reading.agents_of)[0]["ban_reason"] == "lost laptop"


def test_an_expired_certificate_is_refused_on_its_open_connection(controller, samples):
    """TLS checked at the handshake only; the call is checked again."""
    controller.stop()
    controller.start(LOCKGATE_CERTIFICATE_HOURS=str(10 / 3600))
    agent = controller.enrol("host-1")
    assert agent.ask(samples.transfer(), samples.report()).ledger_index
    time.sleep(10.5)
    request = agent.verdict_request(samples.transfer(), samples.report())
    expired = (grpc.StatusCode.UNAUTHENTICATED, "certificate-expired")
    assert refused(agent.stub.RequestVerdict, request) == expired


def test_token_misuse_is_refused_and_recorded(controller, agent, certificate_request):
    """A spent token, and a repeated enrolment with its first answer."""
    token = controller.token("host-9")
    request_bytes, _ = certificate_request
    request = enrolment_pb2.EnrolRequest(
        request_id=uuid7(), join_token=token, certificate_request=request_bytes, host="host-9"
    )
    stub = controller.enrolment()
    first = stub.Enrol(request, timeout=10)
    assert stub.Enrol(request, timeout=10) == first
    request.request_id = uuid7()
    spent = (grpc.StatusCode.PERMISSION_DENIED, "token-used")
    assert refused(stub.Enrol, request) == spent
    refusal = controller.entries()[-1]
    assert (refusal["kind"], refusal["call"], refusal["reason"]) == (
        "refusal",
        "Enrol",
        "token-used",
    )
    assert token not in json.dumps(controller.entries())


def test_refusals_cannot_fill_the_ledger(controller):
    """A stranger who tries 200 tokens leaves at most 60 entries a minute."""
    stub = controller.enrolment()
    for _ in range(200):
        request = enrolment_pb2.EnrolRequest(
            request_id=uuid7(), join_token="lg1.x", certificate_request=b"x", host="host-1"
        )
        refused(stub.Enrol, request)
    assert sum(e["kind"] == "refusal" for e in controller.entries()) <= 120


def test_a_verdict_without_a_receipt_is_an_alert(controller, samples):
    """Silence after a verdict is told, once; a receipt in time keeps it quiet."""
    controller.stop()
    controller.start(LOCKGATE_RECEIPT_MINUTES=str(10 / 60))
    agent = controller.enrol("host-1")
    silent, spoken = samples.transfer(), samples.transfer()
    agent.ask(silent, samples.report())
    agent.ask(spoken, samples.report())
    agent.tell(receipt_for(spoken, Verdict.ALLOW, Enforcement.ALLOWED))

    def overdue():
        return [e for e in controller.entries() if e["kind"] == "receipt-overdue"]

    wait_until(overdue)
    assert [e["transfer_id"] for e in overdue()] == [silent.transfer_id]
    events = [a["event"]["unmapped"]["lockgate"] for a in controller.read(reading.alerts_of, 1000)]
    assert [e["event"] for e in events] == ["receipt-overdue"]


def test_health_and_reflection_answer(controller, agent):
    """Health is SERVING for the service; reflection lists it."""
    stub = health_pb2_grpc.HealthStub(agent.channel)
    for service in ("", "lockgate.v1.DecisionService"):
        answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=5)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    listing = reflection_pb2_grpc.ServerReflectionStub(agent.channel).ServerReflectionInfo(
        iter([reflection_pb2.ServerReflectionRequest(list_services="")]), timeout=5
    )
    names = {s.name for s in next(listing).list_services_response.service}
    assert "lockgate.v1.DecisionService" in names


@pytest.mark.parametrize("after", [0.3, 0.9])
def test_kill_nine_under_load_loses_no_acknowledged_decision(controller, agent, samples, after):
    """Every answer that reached an agent is in the ledger at its index after the restart."""
    acknowledged = []
    stop = threading.Event()

    def load():
        while not stop.is_set():
            transfer = samples.transfer()
            try:
                answer = agent.ask(transfer, samples.report(samples.finding()))
            except grpc.RpcError:
                return
            acknowledged.append((answer.ledger_index, transfer.transfer_id))

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    wait_until(lambda: acknowledged)
    time.sleep(after)
    controller.stop(signal.SIGKILL)
    stop.set()
    for thread in threads:
        thread.join(15)
    controller.start()
    entries = controller.entries()
    assert acknowledged
    for index, transfer_id in acknowledged:
        assert entries[index]["transfer_id"] == transfer_id
    decided = sum(e["kind"] == "verdict" for e in entries)
    wait_until(lambda: len(alert_lines(controller)) >= decided)
    uids = [line["metadata"]["uid"] for line in alert_lines(controller)]
    assert len(uids) == len(set(uids)) == decided


def test_a_hold_reason_reaches_the_agent(agent, samples):
    """A gap is held, and the answer says why."""
    answer = agent.ask(samples.transfer(), samples.report(gaps=(samples.gap(),)))
    assert answer.decision.verdict == transfer_pb2.VERDICT_HOLD
    assert answer.decision.hold_reason == transfer_pb2.HOLD_REASON_GAP
    assert HoldReason.GAP.value == "gap"


@pytest.mark.root
def test_a_full_disk_is_refused_and_recovers(small_disk_controller, samples):
    """store-full while there is no space; the same request is answered once there is."""
    controller = small_disk_controller
    agent = controller.enrol("host-1")
    agent.ask(samples.transfer(), samples.report())
    filler = controller.state / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass
    for _ in range(400):
        request = agent.verdict_request(samples.transfer(), samples.report(samples.finding()))
        try:
            agent.stub.RequestVerdict(request, timeout=10)
        except grpc.RpcError:
            break
    full = (grpc.StatusCode.RESOURCE_EXHAUSTED, "store-full")
    assert refused(agent.stub.RequestVerdict, request) == full
    filler.unlink()
    answer = agent.stub.RequestVerdict(request, timeout=10)
    assert controller.entries()[answer.ledger_index]["request_id"] == request.request_id
    assert controller.process.poll() is None
