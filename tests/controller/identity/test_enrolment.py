"""Enrolment and renewal: who gets a certificate, and what a token is worth."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from sqlalchemy import select

from lockgate.controller.identity import authority, peers, tokens
from lockgate.controller.identity.enrolment import Registrar
from lockgate.controller.identity.faults import IdentityError
from lockgate.controller.refusals import Refusal, RefusalReason
from lockgate.controller.store.schema import join_tokens

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def request_for(key, **changes):
    """A PKCS#10 request, DER."""
    name = x509.Name([])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, digest).public_bytes(serialization.Encoding.DER)


class Office:
    """A registrar at a movable time."""

    def __init__(self, engine, ledger, ca, now):
        self.registrar = Registrar(authority=ca, ledger=ledger, life=DAY, grace=30 * DAY)
        self.engine, self.ledger, self.now = engine, ledger, now

    def token(self, host=None, life=HOUR):
        """Make a token."""
        with self.engine.begin() as connection:
            return self.registrar.make_token(connection, host, life, self.now).text()

    def enrol(self, token, host="host-1", key=None, request=None):
        """Enrol a host with a token."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        request = request or request_for(key)
        with self.engine.begin() as connection:
            return self.registrar.enrol(connection, token, request, host, self.now)

    def renew(
        self, certificate, old_key, new_key=None, message=None, prefix=b"lockgate-renew-v1\0"
    ):
        """Renew by the old key."""
        request = request_for(new_key or ec.generate_private_key(ec.SECP256R1()))
        signed = prefix + (message or request)
        if isinstance(old_key, ed25519.Ed25519PrivateKey):
            signature = old_key.sign(signed)
        else:
            signature = old_key.sign(signed, ec.ECDSA(hashes.SHA256()))
        der = certificate.public_bytes(serialization.Encoding.DER)
        with self.engine.begin() as connection:
            return self.registrar.renew(connection, der, request, signature, self.now)


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    """An authority."""
    from datetime import UTC, datetime

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


@pytest.mark.parametrize(
    "key", [ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()]
)
def test_a_token_gives_a_certificate_for_the_host(office, ca, key):
    """The certificate names the host as SPIFFE URI, is for clients only, and lives a day."""
    certificate = office.enrol(office.token(), key=key)
    certificate.verify_directly_issued_by(ca.certificate)
    sans = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert sans.get_values_for_type(x509.UniformResourceIdentifier) == [
        "spiffe://test.internal/agent/host-1"
    ]
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [x509.ExtendedKeyUsageOID.CLIENT_AUTH]
    assert certificate.not_valid_after_utc == office.now + DAY
    assert office.ledger.kinds() == ["join-token", "enrolment"]


def test_the_store_never_has_the_token(office):
    """Only a hash of the secret is kept."""
    text = office.token()
    with office.engine.connect() as connection:
        row = connection.execute(select(join_tokens)).one()
    secret = text.rpartition(".")[2]
    assert secret not in repr(row)
    assert secret not in repr(office.ledger.entries)
    assert secret not in repr(tokens.parse(text))


def test_a_token_works_once(office):
    """The second use is refused, also for the same host."""
    token = office.token()
    office.enrol(token)
    assert reason(office.enrol(token)) is RefusalReason.TOKEN_USED
    assert reason(office.enrol(token, "host-2")) is RefusalReason.TOKEN_USED


def test_a_token_ends(office):
    """At its end it is worth nothing."""
    token = office.token(life=HOUR)
    office.now += HOUR
    assert reason(office.enrol(token)) is RefusalReason.TOKEN_EXPIRED


def test_a_token_for_a_host_admits_that_host_only(office):
    """Another host is refused and does not spend it."""
    token = office.token(host="host-2")
    assert reason(office.enrol(token, "host-1")) is RefusalReason.TOKEN_HOST
    assert not isinstance(office.enrol(token, "host-2"), Refusal)


def test_a_stray_token_cannot_take_over_a_known_host(office):
    """A host that is enrolled is enrolled again only by a token made for it."""
    office.enrol(office.token())
    assert reason(office.enrol(office.token())) is RefusalReason.TOKEN_HOST
    assert not isinstance(office.enrol(office.token(host="host-1")), Refusal)


@pytest.mark.parametrize(
    "text",
    ["", "x", "lg1..", "lg1." + "0" * 64 + "." + "A" * 43, "lg2." + "0" * 64 + "." + "A" * 43],
)
def test_what_is_not_our_token_is_unknown(office, text):
    """Malformed, foreign and invented tokens get the same answer."""
    assert reason(office.enrol(text)) is RefusalReason.TOKEN_UNKNOWN


@pytest.mark.parametrize("host", ["", "Host", "a/b", "a b", "../x", "-a", "a..b", "x" * 254])
def test_what_is_no_host_name_is_refused(office, host):
    """A name that could not stand in a SPIFFE URI is refused and spends no token."""
    token = office.token()
    assert reason(office.enrol(token, host)) is RefusalReason.MALFORMED
    assert not isinstance(office.enrol(token), Refusal)


def test_a_wrong_certificate_request_is_refused_and_spends_nothing(office):
    """Garbage, a broken signature and a weak or odd key are all refused."""
    token = office.token()
    good = request_for(ec.generate_private_key(ec.SECP256R1()))
    broken = good[:-1] + bytes([good[-1] ^ 1])
    odd = [
        b"",
        b"\x30\x03\x02\x01\x00",
        good[:40],
        broken,
        request_for(rsa.generate_private_key(65537, 2048)),
        request_for(ec.generate_private_key(ec.SECP384R1())),
    ]
    for request in odd:
        answer = office.enrol(token, request=request or b"\0")
        assert reason(answer) is RefusalReason.CERTIFICATE_REQUEST
    assert not isinstance(office.enrol(token), Refusal)


def test_the_last_key_renews(office):
    """A valid certificate and a signature by its key give a new one for the same host."""
    key, fresh = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()
    first = office.enrol(office.token(), key=key)
    office.now += HOUR
    second = office.renew(first, key, fresh)
    assert peers.read(second, "test.internal").host == "host-1"
    assert office.ledger.kinds()[-1] == "renewal"


def test_an_agent_that_was_off_for_a_week_recovers_by_its_newest_key(office):
    """An expired certificate renews while it is the newest, and within the grace only."""
    key = ec.generate_private_key(ec.SECP256R1())
    first = office.enrol(office.token(), key=key)
    office.now += 7 * DAY
    fresh = ec.generate_private_key(ec.SECP256R1())
    second = office.renew(first, key, fresh)
    assert reason(office.renew(first, key)) is RefusalReason.CERTIFICATE_UNKNOWN
    office.now += 60 * DAY
    assert reason(office.renew(second, fresh)) is RefusalReason.CERTIFICATE_EXPIRED


def test_renewal_needs_the_key_and_the_right_words(office):
    """Another key, another request, or a signature made for something else proves nothing."""
    key, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    certificate = office.enrol(office.token(), key=key)
    assert reason(office.renew(certificate, other)) is RefusalReason.PROOF
    assert reason(office.renew(certificate, key, message=b"x")) is RefusalReason.PROOF
    assert reason(office.renew(certificate, key, prefix=b"")) is RefusalReason.PROOF


def test_a_foreign_certificate_renews_nothing(office, tmp_path, samples):
    """A certificate of another authority, also one with the same names, is unknown."""
    key = ec.generate_private_key(ec.SECP256R1())
    stranger = authority.create(tmp_path / "ca", "test.internal", samples.now)
    foreign = stranger.issue_agent("host-1", key.public_key(), samples.now, DAY)
    assert reason(office.renew(foreign, key)) is RefusalReason.CERTIFICATE_UNKNOWN


def test_key_files_are_private_and_never_overwritten(tmp_path, samples):
    """0600 and a second creation refused, the first keys untouched."""
    made = authority.create(tmp_path / "id", "test.internal", samples.now)
    for key in tmp_path.glob("id/*.key"):
        assert key.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        authority.create(tmp_path / "id", "other.internal", samples.now)
    assert authority.load(tmp_path / "id").sha256 == made.sha256
    assert "PRIVATE" not in repr(made)


@pytest.mark.parametrize("content", [b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n", b"\xff" * 100])
def test_a_damaged_key_file_is_an_error_that_quotes_nothing(tmp_path, samples, content):
    """The text names the file and holds none of it."""
    authority.create(tmp_path / "id", "test.internal", samples.now)
    (tmp_path / "id" / "ca.key").write_bytes(content)
    with pytest.raises(IdentityError) as caught:
        authority.load(tmp_path / "id")
    assert "ca.key" in str(caught.value)
    assert caught.value.__suppress_context__


def test_identity_is_the_certificate_of_now(ca, samples):
    """No certificate, a foreign name, a time before or after: each has its own refusal."""
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = ca.issue_agent("host-1", key, samples.now, HOUR).public_bytes(serialization.Encoding.PEM)
    auth = {"x509_pem_cert": [pem]}
    assert peers.identify(auth, "test.internal", samples.now).host == "host-1"

    def ask(auth, domain, now):
        return reason(peers.identify(auth, domain, now))

    assert ask({}, "test.internal", samples.now) is RefusalReason.NO_CERTIFICATE
    assert ask(auth, "other.internal", samples.now) is RefusalReason.IDENTITY_UNKNOWN
    for moment in (samples.now - DAY, samples.now + HOUR + timedelta(seconds=1)):
        assert ask(auth, "test.internal", moment) is RefusalReason.CERTIFICATE_EXPIRED
    server = ca.issue_server(["localhost"], samples.now, DAY).chain
    auth = {"x509_pem_cert": [server]}
    assert ask(auth, "test.internal", samples.now) is RefusalReason.IDENTITY_UNKNOWN
