"""Evict, ban and unban: what each takes from a host, and what brings it back."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lockgate.controller.identity import authority, exclusion, peers
from lockgate.controller.identity.enrolment import Registrar
from lockgate.controller.refusals import Refusal, RefusalReason

DAY = timedelta(days=1)


class Office:
    """A registrar with one host that has a certificate."""

    def __init__(self, engine, ledger, ca, now):
        self.registrar = Registrar(authority=ca, ledger=ledger, life=DAY, grace=30 * DAY)
        self.engine, self.ledger, self.now = engine, ledger, now
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self.enrol(self.token())

    def _in_store(self, work, *arguments, **named):
        with self.engine.begin() as connection:
            return work(connection, *arguments, **named)

    def token(self, host=None):
        """Make a token, or be refused."""
        made = self._in_store(self.registrar.make_token, host, DAY, self.now)
        return made if isinstance(made, Refusal) else made.text()

    def enrol(self, token):
        """Enrol the host with its key."""
        request = csr(self.key)
        return self._in_store(self.registrar.enrol, token, request, "host-1", self.now)

    def renew(self):
        """Renew by the key."""
        request = csr(self.key)
        signature = self.key.sign(b"lockgate-renew-v1\0" + request, ec.ECDSA(hashes.SHA256()))
        der = self.certificate.public_bytes(serialization.Encoding.DER)
        return self._in_store(self.registrar.renew, der, request, signature, self.now)

    def admitted(self):
        """Why the certificate is not admitted, if it is not."""
        peer = peers.read(self.certificate, "test.internal")
        refusal = self._in_store(peers.admitted, peer.host, peer.serial)
        return refusal and refusal.reason

    def do(self, verb, host="host-1"):
        """One of the three verbs."""
        arguments = (self.ledger, host, "stolen", self.now)
        return self._in_store(verb, *arguments, by="jane")


def csr(key):
    """A PKCS#10 request, DER."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    """An authority."""
    folder = tmp_path_factory.mktemp("identity") / "identity"
    return authority.create(folder, "test.internal", datetime(2026, 11, 21, 12, tzinfo=UTC))


@pytest.fixture
def office(engine, remembering_ledger, ca, samples):
    """A registrar on an empty store."""
    return Office(engine, remembering_ledger, ca, samples.now)


def reason(answer):
    """Why it was refused."""
    assert isinstance(answer, Refusal), answer
    return answer.reason


def test_an_evicted_host_is_refused_with_every_certificate(office):
    """Also with one that it renewed, and its key renews nothing any more."""
    first = office.certificate
    office.certificate = office.renew()
    assert office.do(exclusion.evict) == 2
    assert office.admitted() is RefusalReason.CERTIFICATE_REVOKED
    assert reason(office.renew()) is RefusalReason.CERTIFICATE_REVOKED
    office.certificate = first
    assert office.admitted() is RefusalReason.CERTIFICATE_REVOKED


def test_only_a_new_token_made_for_it_brings_an_evicted_host_back(office):
    """Neither a stray token nor one made before the eviction does."""
    early = office.token(host="host-1")
    office.do(exclusion.evict)
    assert reason(office.enrol(early)) is RefusalReason.TOKEN_REVOKED
    assert reason(office.enrol(office.token())) is RefusalReason.TOKEN_HOST
    evicted = office.certificate
    office.certificate = office.enrol(office.token(host="host-1"))
    assert office.admitted() is None
    office.certificate = evicted
    assert office.admitted() is RefusalReason.CERTIFICATE_REVOKED


def test_a_banned_host_is_refused_everything_until_it_is_unbanned(office):
    """Calls, renewals, enrolments and tokens; then what it had is good again."""
    early = office.token(host="host-1")
    office.do(exclusion.ban)
    assert office.admitted() is RefusalReason.BANNED
    assert reason(office.renew()) is RefusalReason.BANNED
    assert reason(office.enrol(early)) is RefusalReason.BANNED
    assert reason(office.token(host="host-1")) is RefusalReason.BANNED
    office.do(exclusion.unban)
    assert office.admitted() is None
    assert not isinstance(office.enrol(early), Refusal)


def test_unbanning_does_not_undo_an_eviction(office):
    """What was revoked stays so."""
    office.do(exclusion.evict)
    office.do(exclusion.ban)
    office.do(exclusion.unban)
    assert office.admitted() is RefusalReason.CERTIFICATE_REVOKED


@pytest.mark.parametrize("verb", [exclusion.evict, exclusion.ban, exclusion.unban])
def test_an_unknown_host_is_not_found_and_leaves_no_entry(office, verb):
    """A typing error is told, not recorded as done."""
    before = len(office.ledger.entries)
    assert reason(office.do(verb, "host-2")) is RefusalReason.NOT_FOUND
    assert len(office.ledger.entries) == before


def test_a_host_that_is_not_banned_is_not_unbanned(office):
    """Which is told."""
    assert reason(office.do(exclusion.unban)) is RefusalReason.CONFLICT


def test_every_verb_is_in_the_ledger_with_who_and_why(office):
    """In the order in which they were done."""
    for verb in (exclusion.ban, exclusion.unban, exclusion.evict):
        office.do(verb)
    told = office.ledger.entries[-3:]
    assert [entry["kind"] for entry in told] == ["ban", "unban", "evict"]
    assert {(entry["by"], entry["reason"], entry["host"]) for entry in told} == {
        ("jane", "stolen", "host-1")
    }


def test_a_certificate_that_is_not_on_record_is_unknown(office, ca):
    """Signed by our authority, but never given out by this store."""
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    office.certificate = ca.issue_agent("host-1", key, office.now, DAY)
    assert office.admitted() is RefusalReason.IDENTITY_UNKNOWN
