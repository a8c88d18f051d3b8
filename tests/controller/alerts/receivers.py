"""Receivers of alerts for tests: the real rsyslog, and certificates for it."""

from __future__ import annotations

import json
import secrets
import signal
import socket
import subprocess
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lockgate.controller.alerts.outbox import Alert

SHIPPED = Path(__file__).parents[3] / "packaging" / "rsyslog" / "lockgate-receiver.conf"
_PATIENCE_S = 60.0


def alerts(first: int, count: int, pad: str = "") -> list[Alert]:
    """Alerts numbered from ``first``."""
    return [
        Alert(n, f"uid-{n}", json.dumps({"metadata": {"uid": f"uid-{n}"}, "n": n, "pad": pad}))
        for n in range(first, first + count)
    ]


def free_port() -> int:
    """A port of loopback that nobody listens on now, and that no connection is given by itself.

    Of the others one may be taken while its receiver is down: by whoever connects to anything, also
    by who tries that very port.
    """
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = secrets.SystemRandom().randrange(10_000, first)  # ``random`` repeats in each test
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Certificates:
    """An authority, and certificates for a receiver on loopback and for the controller."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        self.authority = self._write("ca", self._signed(self._name, self._key, is_authority=True))
        self.receiver = self.make("localhost")
        self.controller = self.make("lockgate-controller")

    def make(self, name: str) -> tuple[Path, Path]:
        """Certificate and key of ``name``."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._write(name, self._signed(subject, key, is_authority=False))
        key_file = self._folder / f"{name}.key"
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return certificate, key_file

    def _signed(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, is_authority: bool
    ) -> x509.Certificate:
        now, name = datetime.now(UTC), subject.rfc4514_string().removeprefix("CN=")
        names = x509.SubjectAlternativeName([x509.DNSName(name.replace(" ", "-"))])
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(names, critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def _write(self, name: str, certificate: x509.Certificate) -> Path:
        path = self._folder / f"{name}.pem"
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return path


class Rsyslog:
    """The real rsyslogd with a configuration of ours."""

    def __init__(self, folder: Path, port: int, configuration: str) -> None:
        self._folder, self._port = folder, port
        self.log = folder / "alerts.jsonl"
        self._file = folder / "rsyslog.conf"
        self._file.write_text(configuration)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        pid = self._folder / "pid"
        pid.unlink(missing_ok=True)
        command = ["rsyslogd", "-n", "-f", str(self._file), "-i", str(pid)]
        with (self._folder / "output").open("ab") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=output)
        end = time.monotonic() + _PATIENCE_S
        while not self._listens():
            assert self._process.poll() is None, (self._folder / "output").read_text()
            assert time.monotonic() < end, "rsyslogd does not listen"
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it: orderly, or killed."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(_PATIENCE_S)
            self._process = None

    def uids(self) -> list[str]:
        """The uids in its file, in order; a line that is being written does not count yet."""
        text = self.log.read_text() if self.log.exists() else ""
        lines = text.rpartition("\n")[0].splitlines()
        events = (event for line in lines if (event := _event(line)) is not None)
        return [event["metadata"]["uid"] for event in events]

    def wait_for(self, uid: str) -> None:
        """Wait until it has written an alert."""
        end = time.monotonic() + _PATIENCE_S
        while uid not in self.uids():
            assert time.monotonic() < end, "rsyslogd did not write the last alert"
            time.sleep(0.05)

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self._port), 1).close()
        except OSError:
            return False
        return True


def _event(line: str) -> Any:
    """The event on a line; None where there is none, or one that a kill has cut off."""
    try:
        return json.loads(line)
    except json.JSONDecodeError:
        return None


def shipped_relp(folder: Path, port: int, certificates: Certificates) -> Rsyslog:
    """Rsyslog with the configuration that is shipped, in ``folder`` and on ``port``."""
    certificate, key = certificates.receiver
    text = SHIPPED.read_text()
    for old, new in (
        ('"2514"', f'"{port}"'),
        ("/var/spool/rsyslog", str(folder)),
        ("/var/log/lockgate/alerts.jsonl", str(folder / "alerts.jsonl")),
        ("/etc/rsyslog.d/lockgate-ca.pem", str(certificates.authority)),
        ("/etc/rsyslog.d/lockgate-receiver.pem", str(certificate)),
        ("/etc/rsyslog.d/lockgate-receiver.key", str(key)),
    ):
        assert old in text
        text = text.replace(old, new)
    return Rsyslog(folder, port, text)


def syslog_over_tls(folder: Path, port: int, certificates: Certificates) -> Rsyslog:
    """Rsyslog as a receiver of RFC 5425 that notes structured data as well."""
    certificate, key = certificates.receiver
    text = f"""
module(load="imtcp" streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="anon")
global(maxMessageSize="256k" workDirectory="{folder}" defaultNetstreamDriver="ossl"
       defaultNetstreamDriverCAFile="{certificates.authority}"
       defaultNetstreamDriverCertFile="{certificate}" defaultNetstreamDriverKeyFile="{key}")
template(name="fields" type="string"
         string="%pri%|%app-name%|%msgid%|%structured-data%|%msg%\\n")
ruleset(name="in") {{ action(type="omfile" file="{folder}/alerts.jsonl" template="fields") }}
input(type="imtcp" port="{port}" ruleset="in")
"""
    return Rsyslog(folder, port, text)
