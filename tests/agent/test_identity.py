"""The agent's certificate: enrolled, renewed in time, never shown late."""

from __future__ import annotations

import json
import stat
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

sys.path.insert(0, str(Path(__file__).parents[1] / "incident"))

from parts import Controller

from lockgate.agent.uplink import identity
from lockgate.agent.uplink.identity import Credentials, CredentialsError, enrol
from lockgate.v1 import enrolment_pb2 as pb

HOUR = timedelta(hours=1)


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[Controller]:
    """A running controller of its own."""
    made = Controller(tmp_path / "controller", tmp_path)
    made.prepare()
    with made.running():
        yield made


def written(state: Path, begin: timedelta, end: timedelta) -> Credentials:
    """Credentials with a certificate of our own making, valid from ``begin`` to ``end`` of now."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(x509.Name([]))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now + begin)
        .not_valid_after(now + end)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    folder = state / "identity"
    folder.mkdir(parents=True)
    (folder / "agent.pem").write_bytes(pem + certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "ca.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    facts = {"address": "127.0.0.1:1", "enrolment": "127.0.0.1:1", "host": "h"}
    (folder / "controller.json").write_text(json.dumps(facts))
    return Credentials(state)


def renewals(credentials: Credentials, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many renewals begin when asked for twice."""
    begun: list[int] = []
    monkeypatch.setattr(credentials, "renew", lambda: begun.append(1))
    for _ in range(2):
        credentials.renew_if_due()
        for thread in threading.enumerate():
            if thread.name == "renewal":
                thread.join(20)
    return len(begun)


def test_enrolment_keeps_a_key_for_root_and_renewal_another(
    controller: Controller, tmp_path: Path
) -> None:
    """A token becomes a certificate; renewing gives a new key and certificate for the host."""
    state = tmp_path / "agent"
    until = enrol(state, controller.enrol_address, controller.token(), "prod-7")
    kept = state / "identity" / "agent.pem"
    first = kept.read_bytes()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    credentials = Credentials(state)
    assert (credentials.host, credentials.not_after) == ("prod-7", until)

    credentials.renew()
    assert credentials.generation == 2
    assert kept.read_bytes().split(b"-----END")[0] != first.split(b"-----END")[0]
    Credentials(state).renew()


class Issuing:
    """A controller that answers renewals as it is told: by a status, or with a certificate."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: grpc.StatusCode | None) -> None:
        self.asked: list[pb.RenewRequest] = []
        self._answers = iter(answers)
        monkeypatch.setattr(identity, "_call", lambda _where, _pin, ask: ask(self))

    def Renew(  # noqa: N802  (the name is the contract's)
        self, request: pb.RenewRequest, timeout: float
    ) -> pb.RenewResponse:
        """Note what was asked, and answer; ``timeout`` is not needed here."""
        self.asked.append(request)
        code = next(self._answers)
        if code is not None:
            raise CredentialsError("refused", code)
        key = ec.generate_private_key(ec.SECP256R1())
        public = x509.load_der_x509_csr(request.certificate_request).public_key()
        now = datetime.now(UTC)
        chain = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(x509.Name([]))
            .public_key(public)
            .serial_number(2)
            .not_valid_before(now)
            .not_valid_after(now + HOUR)
            .sign(key, hashes.SHA256())
            .public_bytes(serialization.Encoding.PEM)
        )
        return pb.RenewResponse(certificate_chain=chain, trust_bundle=chain)


def test_a_renewal_whose_answer_was_lost_is_asked_for_again_word_for_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by the next process: the certificate may have been issued, for this very key."""
    lost, done = grpc.StatusCode.DEADLINE_EXCEEDED, None
    controller = Issuing(monkeypatch, lost, lost, done, done)
    credentials = written(tmp_path, -2 * HOUR, -HOUR)
    kept = tmp_path / "identity" / "renewal.json"
    with pytest.raises(CredentialsError):
        credentials.renew()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    with pytest.raises(CredentialsError):
        Credentials(tmp_path).renew()
    again = Credentials(tmp_path)
    again.renew()
    assert not again.expired()
    assert not kept.exists()
    assert controller.asked[0] == controller.asked[1] == controller.asked[2]
    again.renew()
    assert controller.asked[3].request_id != controller.asked[0].request_id


@pytest.mark.parametrize("damage", [b"", b"{}", b"\xff", b'{"key": "x", "request": "////"}'])
def test_a_renewal_that_was_refused_or_cannot_be_read_is_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: bytes
) -> None:
    """No state of the disk keeps a host out."""
    controller = Issuing(monkeypatch, grpc.StatusCode.PERMISSION_DENIED, None)
    credentials = written(tmp_path, -2 * HOUR, -HOUR)
    with pytest.raises(CredentialsError):
        credentials.renew()
    (tmp_path / "identity" / "renewal.json").write_bytes(damage)
    credentials.renew()
    assert not credentials.expired()
    assert controller.asked[0].request_id != controller.asked[1].request_id


def test_a_token_is_good_once_and_only_for_its_controller(
    controller: Controller, tmp_path: Path
) -> None:
    """A used token and a server with another CA are refused; nothing is kept."""
    token = controller.token()
    enrol(tmp_path / "a", controller.enrol_address, token, "a")
    with pytest.raises(CredentialsError, match="token-used"):
        enrol(tmp_path / "b", controller.enrol_address, token, "b")
    version, _, rest = controller.token().split(".")
    with pytest.raises(CredentialsError):
        enrol(tmp_path / "b", controller.enrol_address, f"{version}.{'0' * 64}.{rest}", "b")
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("token", ["", "abc", "lg1.x", "lg2.a.b"])
def test_what_is_no_token_is_told(tmp_path: Path, token: str) -> None:
    """Nothing is sent for it."""
    with pytest.raises(CredentialsError, match="no join token"):
        enrol(tmp_path, "127.0.0.1:1", token, "h")


def test_an_unreachable_controller_is_told(tmp_path: Path) -> None:
    """Nobody there is an error that names the address."""
    with pytest.raises(CredentialsError, match=r"127\.0\.0\.1:1"):
        enrol(tmp_path, "127.0.0.1:1", f"lg1.{'0' * 64}.x", "h")


def test_renewal_begins_when_two_thirds_of_the_life_are_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not before, and not again at once."""
    fresh = written(tmp_path / "fresh", -HOUR, 3 * HOUR)
    due = written(tmp_path / "due", -3 * HOUR, HOUR)
    assert renewals(fresh, monkeypatch) == 0
    assert renewals(due, monkeypatch) == 1


@pytest.mark.parametrize(("begin", "end"), [(-2 * HOUR, -HOUR), (HOUR, 2 * HOUR)])
def test_a_certificate_that_is_not_valid_now_is_never_shown(
    tmp_path: Path, begin: timedelta, end: timedelta
) -> None:
    """No channel is made with it."""
    credentials = written(tmp_path, begin, end)
    assert credentials.expired()
    with pytest.raises(CredentialsError, match="expired"):
        credentials.connect()


def test_damaged_credentials_are_told_without_their_bytes(tmp_path: Path) -> None:
    """A broken key file says what to do, and nothing of what is in it."""
    written(tmp_path, -HOUR, HOUR)
    kept = tmp_path / "identity" / "agent.pem"
    kept.write_bytes(kept.read_bytes()[:60])
    with pytest.raises(CredentialsError, match="enrol again") as told:
        Credentials(tmp_path)
    assert told.value.__cause__ is None
    assert told.value.__suppress_context__
