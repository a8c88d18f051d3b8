"""From a message of any agent to the decision: what is not known for certain never crosses."""

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.policy import decide, default_policy
from lockgate.v1 import report_pb2, transfer_pb2
from lockgate.wire import convert
from lockgate.wire.transfer import Verdict
from lockgate.wire.validate import violations

NOW = datetime(2026, 1, 2, tzinfo=UTC)
BLOCKING = {1, 2, 3}  # FINDING_CLASS_PROTECTED, _PRIVATE, _CREDENTIAL

numbers = st.integers(-1, 10) | st.sampled_from([99, 2**31 - 1])
digests = st.sampled_from(["a" * 64, ""])
names = st.sampled_from(["", "lockgate-canary", "token-signing"])
findings = st.builds(
    lambda class_, kind, places, name: report_pb2.Finding(
        finding_class=class_,
        kind=kind,
        algorithm="RSA",
        fingerprint="sha256:" + "b" * 64,
        occurrences=[report_pb2.Occurrence(format="pem", length=1)] * places,
        protected_name=name or None,
    ),
    numbers,
    numbers,
    st.integers(0, 2),
    names,
)
gaps = st.builds(lambda reason: report_pb2.Gap(reason=reason), numbers)
reports = st.builds(
    lambda digest, size, outcome, found, missed, count, searches, strict: report_pb2.Report(
        sha256=digest,
        size=size,
        outcome=outcome,
        findings=found,
        gaps=missed,
        coverage=report_pb2.Coverage(bytes_scanned=3, gap_count=count),
        engine=report_pb2.Engine(searches=["markers"] * searches),
        strict=strict,
    ),
    digests,
    st.sampled_from([3, 3, 3, 0, 2**64 - 1]),
    numbers,
    st.lists(findings, max_size=3),
    st.lists(gaps, max_size=2),
    st.sampled_from([0, 0, 0, 7]),
    st.sampled_from([1, 1, 0]),
    st.booleans(),
)


def moved(signing):
    """A transfer of a file of three bytes."""
    message = transfer_pb2.Transfer(
        transfer_id="01890a5d-ac96-774b-bcce-b302099a8057",
        zone=transfer_pb2.Zone(name="prod", signing=signing),
        host="host1",
        boundary=transfer_pb2.BOUNDARY_OPEN,
        path="/zone/core.1",
        identity=transfer_pb2.FileIdentity(inode=2, size=3),
    )
    message.attempt_time.FromDatetime(NOW)
    return message


def doubtful(message):
    """Whether anything in the message forbids an ALLOW, read from the message alone."""
    known = set(report_pb2.FindingClass.values()) - {0}
    classes = {finding.finding_class for finding in message.findings}
    return (
        not message.sha256
        or message.size != 3
        or message.outcome not in set(report_pb2.Outcome.values()) - {0}
        or message.gaps
        or message.coverage.gap_count
        or not message.engine.searches
        or classes & BLOCKING
        or classes - known
        or any(f.kind not in set(report_pb2.FindingKind.values()) - {0} for f in message.findings)
        or any(not f.occurrences for f in message.findings)
        or any(f.HasField("protected_name") for f in message.findings)
    )


@settings(max_examples=500)
@given(reports, st.booleans())
def test_what_an_agent_says_in_doubt_never_crosses(message, signing):
    """Gap, blocking class, unknown value or contradiction: never ALLOW, never kept."""
    assert not violations(message)
    transfer = convert.transfer_from_wire(moved(signing))
    report = convert.report_from_wire(message, transfer.path)
    decision = decide(report, transfer, default_policy(), NOW)
    if doubtful(message):
        assert decision.verdict is not Verdict.ALLOW
        assert decision.cache_until is None


def test_the_same_message_without_a_doubt_crosses():
    """The test above can fail: a clean report of the file's size is allowed."""
    message = report_pb2.Report(
        sha256="a" * 64,
        size=3,
        outcome=report_pb2.OUTCOME_CLEAN,
        engine=report_pb2.Engine(searches=["markers"]),
    )
    assert not doubtful(message)
    report = convert.report_from_wire(message)
    transfer = convert.transfer_from_wire(moved(signing=True))
    assert decide(report, transfer, default_policy(), NOW).verdict is Verdict.ALLOW
