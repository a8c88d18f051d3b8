"""Which programs the corpus starts, with which kinds of key.

A producer is one library or program with one kind of key; kind ``none`` starts the same program
without a key. ``start`` gives the running processes, after their use of the key.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import programs
import traffic
from keyfiles import KeyFiles
from processes import children, free_port, require, run, started, wait_for_port

_HERE = Path(__file__).parent / "programs"
RSA, EC, EDDSA, AES = ("rsa2048",), ("p256",), ("ed25519",), ("aes128", "aes192", "aes256")


@dataclass(frozen=True, slots=True)
class Live:
    """Running processes by label, and the fingerprints of keys that they made themselves."""

    pids: dict[str, int]
    ephemeral: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Place:
    """Where one producer works: its folder, its key, and the folder of compiled programs."""

    folder: Path
    files: KeyFiles | None
    built: Path

    def arguments(self, form: str) -> list[str]:
        """The kind of key as the programs call it, and the key's file."""
        if self.files is None:
            return ["none"]
        family = self.files.key.family
        return [self.files.key.kind if family == "ed" else family, self.files.path(form)]

    def file(self, form: str) -> str:
        """The file of the key in this form."""
        assert self.files is not None
        return self.files.path(form)


@dataclass(frozen=True, slots=True)
class Producer:
    """One row of the corpus. ``dumps``: ``core``, ``hprof``, ``heapsnapshot``."""

    library: str
    kind: str
    start: Callable[[Place], AbstractContextManager[Live]]
    dumps: tuple[str, ...] = ("core",)

    @property
    def name(self) -> str:
        """E.g. ``nettle-rsa2048``."""
        return f"{self.library}-{self.kind}"


@contextmanager
def _waiting(command: Callable[[Place], list[str]], place: Place) -> Iterator[Live]:
    """A program that says READY and waits."""
    with started(*command(place), folder=place.folder, until=b"READY") as pid:
        yield Live({"": pid})


def _forms(raw: str, rsa: str, ec: str) -> Callable[[Place], str]:
    """The file form by family; Ed25519, X25519 and AES come raw unless said otherwise."""

    def form(place: Place) -> str:
        family = place.files.key.family if place.files else ""
        return {"rsa": rsa, "ec": ec}.get(family, raw)

    return form


def _program(source: str, form: Callable[[Place], str], place: Place) -> list[str]:
    return [str(programs.compiled(_HERE / source, place.built)), *place.arguments(form(place))]


def _python(library: str, form: str, place: Place) -> list[str]:
    program = [sys.executable, str(_HERE / "use_python.py")]
    if place.files is None:
        return [*program, "none", "none"]
    return [*program, library, *place.arguments(form)]


def _java(place: Place) -> list[str]:
    classes = programs.compiled(_HERE / "UseJava.java", place.built)
    form = "raw" if place.files and place.files.key.is_symmetric else "p8.der"
    options = ["-Xmx64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    return ["java", *options, "-cp", str(classes), "UseJava", *place.arguments(form)]


def _node(style: str, place: Place) -> list[str]:
    form = "raw" if place.files and place.files.key.is_symmetric else "pem"
    options = ["--heapsnapshot-signal=SIGUSR2", f"--diagnostic-dir={place.folder}"]
    return ["node", *options, str(_HERE / "use_node.js"), *place.arguments(form), style]


@contextmanager
def _tls_server(command: Callable[[Place, int], list[str]], place: Place) -> Iterator[Live]:
    """A TLS server that has served some connections; its children are dumped, too."""
    port = free_port()
    with started(*command(place, port), folder=place.folder) as pid:
        wait_for_port(port)
        ephemeral = traffic.tls(port)
        workers = {f"worker{n}": child for n, child in enumerate(children(pid))}
        yield Live({"": pid, **workers}, ephemeral)


def _openssl(place: Place, port: int) -> list[str]:
    certificate, key = place.file("crt"), place.file("pem")
    return ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", certificate,
            "-key", key, "-www"]  # fmt: skip


def _gnutls(place: Place, port: int) -> list[str]:
    certificate, key = place.file("crt"), place.file("pem")
    return ["gnutls-serv", "-p", str(port), "--x509certfile", certificate,
            "--x509keyfile", key, "--http"]  # fmt: skip


def _nginx(place: Place, port: int) -> list[str]:
    (place.folder / "logs").mkdir()
    configuration = place.folder / "nginx.conf"
    configuration.write_text(
        f"daemon off; worker_processes 1; user root; pid {place.folder}/nginx.pid;"
        f"error_log {place.folder}/error.log; events {{ }} http {{ access_log off;"
        f"server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {place.file('crt')};"
        f"ssl_certificate_key {place.file('pem')}; }} }}\n"
    )
    return ["nginx", "-p", str(place.folder), "-c", str(configuration)]


def _python_server(library: str, place: Place, port: int) -> list[str]:
    program = str(_HERE / "serve_python.py")
    return [sys.executable, program, library, str(port), place.file("crt"), place.file("pem")]


def _granian(place: Place, port: int) -> list[str]:
    return [sys.executable, "-m", "granian", "--interface", "asgi", "--port", str(port),
            "--ssl-certificate", place.file("crt"), "--ssl-keyfile", place.file("pem"),
            "--working-dir", str(_HERE), "serve_python:application"]  # fmt: skip


@contextmanager
def _selfserv(place: Place) -> Iterator[Live]:
    """The test server of NSS, with a key database."""
    require("selfserv", "pk12util", "certutil")
    database, bundle = f"sql:{place.folder}", str(place.folder / "key.p12")
    run("certutil", "-N", "-d", database, "--empty-password")
    run("openssl", "pkcs12", "-export", "-inkey", place.file("pem"), "-in", place.file("crt"),
        "-name", "corpus", "-out", bundle, "-passout", "pass:")  # fmt: skip
    run("pk12util", "-i", bundle, "-d", database, "-W", "")
    port = free_port()
    command = ["selfserv", "-d", database, "-n", "corpus", "-p", str(port)]
    with started(*command, folder=place.folder) as pid:
        wait_for_port(port)
        yield Live({"": pid}, traffic.tls(port))


@contextmanager
def _ssh_server(command: Callable[[Place, int], list[str]], place: Place) -> Iterator[Live]:
    port = free_port()
    with started(*command(place, port), folder=place.folder) as pid:
        wait_for_port(port)
        yield Live({"": pid}, traffic.ssh(port, place.folder))


def _sshd(place: Place, port: int) -> list[str]:
    Path("/run/sshd").mkdir(exist_ok=True)
    return ["/usr/sbin/sshd", "-D", "-f", "/dev/null", "-h", place.file("ssh"), "-p", str(port),
            "-o", "ListenAddress=127.0.0.1", "-o", "UsePAM=no"]  # fmt: skip


def _dropbear(place: Place, port: int) -> list[str]:
    target = place.folder / "dropbear.key"
    run("dropbearconvert", "openssh", "dropbear", place.file("ssh"), str(target))
    return ["dropbear", "-F", "-E", "-r", str(target), "-p", f"127.0.0.1:{port}",
            "-P", str(place.folder / "dropbear.pid")]  # fmt: skip


@contextmanager
def _ssh_agent(place: Place) -> Iterator[Live]:
    """An agent that has loaded a key and signed with it."""
    require("ssh-add", "ssh-keygen")
    socket = str(place.folder / "agent")
    message = place.folder / "message"
    message.write_text("message\n")
    key = place.file("ssh")
    with started("ssh-agent", "-D", "-a", socket, folder=place.folder, until=b"SSH_AUTH_SOCK") as p:
        run("ssh-add", "-q", key, SSH_AUTH_SOCK=socket)
        public = place.folder / "key.ssh.pub"
        public.write_bytes(run("ssh-keygen", "-y", "-f", key))
        Path(key).rename(place.folder / "hidden")
        run("ssh-keygen", "-Y", "sign", "-q", "-f", str(public), "-n", "file", str(message),
            SSH_AUTH_SOCK=socket)  # fmt: skip
        yield Live({"": p})


@contextmanager
def _gpg_agent(place: Place) -> Iterator[Live]:
    """A gpg-agent that has signed with a key it was given over its ssh protocol."""
    require("gpg-connect-agent", "ssh-add")
    home = place.folder / "gnupg"
    home.mkdir(mode=0o700)
    (home / "gpg-agent.conf").write_text("enable-ssh-support\nallow-preset-passphrase\n")
    (home / "private-keys-v1.d").mkdir(mode=0o700)
    grip = _grip(place)
    stored = home / "private-keys-v1.d" / f"{grip}.key"
    stored.write_text("Key: " + Path(place.file("sexp")).read_text() + "\n")
    command = ["gpg-agent", "--homedir", str(home), "--server"]
    digest = "00" * 32
    with started(*command, folder=place.folder, until=b"OK") as pid:
        talk = f"/proc/{pid}/fd/0"
        Path(talk).write_text(f"SIGKEY {grip}\nSETHASH --hash=sha256 {digest}\nPKSIGN\n")
        import time

        time.sleep(1.0)
        yield Live({"": pid})


def _grip(place: Place) -> str:
    program = programs.compiled(_HERE / "keygrip.c", place.built)
    return run(str(program), place.file("sexp")).decode().strip()


def _each(
    library: str,
    kinds: tuple[str, ...],
    start: Callable[[Place], AbstractContextManager[Live]],
    dumps: tuple[str, ...] = ("core",),
) -> list[Producer]:
    return [Producer(library, kind, start, dumps) for kind in kinds]


def _waits(
    library: str,
    kinds: tuple[str, ...],
    command: Callable[[Place], list[str]],
    dumps: tuple[str, ...] = ("core",),
) -> list[Producer]:
    return _each(library, kinds, partial(_waiting, command), dumps)


def _serves(
    library: str, kinds: tuple[str, ...], command: Callable[[Place, int], list[str]]
) -> list[Producer]:
    return _each(library, kinds, partial(_tls_server, command))


_RAW = _forms("raw", "trad.der", "raw")
_TRAD = _forms("raw", "trad.der", "trad.der")
_PKCS8 = _forms("p8.der", "p8.der", "p8.der")

#: Every row, in the order of the table.
ALL: tuple[Producer, ...] = (
    *_serves("openssl", ("rsa2048", "rsa3072", "rsa4096", "p256", "p384", "p521", "ed25519",
                         "secp256k1"), _openssl),
    *_serves("gnutls", ("rsa2048", "p256", "p384", "ed25519"), _gnutls),
    *_serves("nginx", ("rsa2048", "p256"), _nginx),
    *_serves("pyssl", ("rsa2048", "p256", "ed25519"), partial(_python_server, "stdlib")),
    *_serves("grpc", ("rsa2048", "p256"), partial(_python_server, "grpc")),
    *_serves("granian", ("rsa2048", "p256", "ed25519"), _granian),
    *_each("selfserv", ("rsa2048", "p256"), _selfserv),
    *_each("sshd", ("rsa3072", "p256", "ed25519"), partial(_ssh_server, _sshd)),
    *_each("ssh-agent", ("rsa3072", "p256", "ed25519"), _ssh_agent),
    *_each("dropbear", ("rsa2048", "p256", "ed25519"), partial(_ssh_server, _dropbear)),
    *_each("gpg-agent", ("rsa2048", "p256", "ed25519"), _gpg_agent),
    *_waits("nettle", (*RSA, "p256", "p384", *EDDSA, *AES, "none"),
            partial(_program, "use_nettle.c", _RAW)),
    *_waits("gcrypt", (*RSA, *EC, *EDDSA), partial(_program, "use_gcrypt.c",
                                                   _forms("sexp", "sexp", "sexp"))),
    *_waits("gcrypt", (*AES, "none"), partial(_program, "use_gcrypt.c", _RAW)),
    *_waits("mbedtls", (*RSA, "p256", "p384", *AES, "none"),
            partial(_program, "use_mbedtls.c", _TRAD)),
    *_waits("wolfssl", (*RSA, *EC, *EDDSA, *AES, "none"),
            partial(_program, "use_wolfssl.c", _TRAD)),
    *_waits("nss", (*RSA, *EC, "none"), partial(_program, "use_nss.c", _PKCS8)),
    *_waits("tomcrypt", (*RSA, *EC, "aes256", "none"),
            partial(_program, "use_tomcrypt.c", _forms("raw", "trad.der", "tomcrypt.der"))),
    *_waits("botan", ("rsa2048", "p256", "ed25519", "none"),
            partial(_program, "use_botan.cpp", _PKCS8)),
    *_waits("sodium", ("ed25519", "x25519"), partial(_program, "use_sodium.c", _RAW)),
    *_waits("go", (*RSA, *EC, *EDDSA), partial(_program, "use_go.go", _forms("pem", "pem", "pem"))),
    *_waits("go", ("aes256", "none"), partial(_program, "use_go.go", _RAW)),
    *_waits("java", (*RSA, *EC, *EDDSA, "aes256", "none"), _java, ("hprof",)),
    *_waits("javacore", (*RSA, *EC, *EDDSA, "aes256", "none"), _java),
    *_waits("node", (*RSA, *EC, *EDDSA, "aes256", "none"), partial(_node, "object"),
            ("heapsnapshot",)),
    *_waits("nodetext", (*RSA, *EC), partial(_node, "text"), ("heapsnapshot",)),
    *_waits("nodecore", (*RSA, *EC, *EDDSA, "aes256", "none"), partial(_node, "object")),
    *_waits("pyca", ("rsa2048", "rsa4096", "p256", "p384", "p521", "secp256k1", "ed25519",
                     "x25519"), partial(_python, "cryptography_pair", "pem")),
    *_waits("pyca", (*AES, "none"), partial(_python, "cryptography_aes", "raw")),
    *_waits("cpython-int", (*RSA, *EC), partial(_python, "numbers", "pem")),
    *_waits("pyrsa", RSA, partial(_python, "rsa", "trad.pem")),
    *_waits("pyecdsa", EC, partial(_python, "ecdsa", "trad.pem")),
    *_waits("pynacl", ("ed25519", "x25519"), partial(_python, "nacl", "raw")),
    *_waits("pycryptodome", (*RSA, *EC, *EDDSA), partial(_python, "pycryptodome", "pem")),
    *_waits("pycryptodome", ("aes256",), partial(_python, "pycryptodome", "raw")),
    *_waits("awscrt", RSA, partial(_python, "awscrt", "trad.pem")),
    *_waits("coincurve", ("secp256k1",), partial(_python, "coincurve", "raw")),
    *_waits("pytext", RSA, partial(_python, "text", "pem")),
)  # fmt: skip
