"""Dumps by the real tools: QEMU, the JVM, Node and gcore; keys are found in each."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from tests.scan.dumps.planted import OTHER_PRIME_AT, PEM_AT, PRIME_AT, Planted

#: Where the memory with the keys is loaded in the guest.
GUEST_ADDRESS = 0x1000000

HEAP_HOLDER = """
import java.lang.management.ManagementFactory;
import java.nio.file.*;
import java.security.*;
import com.sun.management.HotSpotDiagnosticMXBean;

public class Holder {
    static Object[] held;

    static KeyPair pair(String algorithm, int bits) throws Exception {
        KeyPairGenerator generator = KeyPairGenerator.getInstance(algorithm);
        generator.initialize(bits);
        return generator.generateKeyPair();
    }

    public static void main(String[] names) throws Exception {
        KeyPair rsa = pair("RSA", 2048), ec = pair("EC", 256);
        held = new Object[] {rsa, ec};
        Files.write(Paths.get(names[0]), rsa.getPublic().getEncoded());
        Files.write(Paths.get(names[1]), ec.getPublic().getEncoded());
        ManagementFactory.getPlatformMXBean(HotSpotDiagnosticMXBean.class)
            .dumpHeap(names[2], true);
    }
}
"""

SNAPSHOT_HOLDER = """
const crypto = require('crypto'), fs = require('fs'), v8 = require('v8');
const [ec, output] = process.argv.slice(1);
const pair = crypto.generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  privateKeyEncoding: {type: 'pkcs8', format: 'pem'},
  publicKeyEncoding: {type: 'spki', format: 'der'},
});
globalThis.held = pair.privateKey;
fs.writeFileSync(ec, pair.publicKey);
v8.writeHeapSnapshot(output);
"""

NUMBERS_HOLDER = """
import sys, time
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
key = rsa.generate_private_key(65537, 2048)
key.sign(b"token", padding.PKCS1v15(), hashes.SHA256())
form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
with open(sys.argv[1], "wb") as file:
    file.write(key.public_key().public_bytes(*form))
print("ready", flush=True)
time.sleep(600)
"""


def fingerprint_of(public: Path) -> str:
    """The fingerprint of a public key in a DER file."""
    return "sha256:" + hashlib.sha256(public.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def guest(planted: Planted, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with dumps of a machine that was never started, its memory loaded with keys."""
    folder = tmp_path_factory.mktemp("guest")
    (folder / "memory").write_bytes(planted.memory)
    commands = [
        "dump-guest-memory elf",
        "dump-guest-memory -p paging",
        "dump-guest-memory -z kdump",
        'migrate "exec:cat > stream"',
        "quit",
    ]
    loader = f"loader,file=memory,addr={GUEST_ADDRESS:#x},force-raw=on"
    machine = ["-machine", "pc,accel=tcg", "-m", "24", "-S", "-nodefaults", "-display", "none"]
    subprocess.run(
        ["qemu-system-x86_64", *machine, "-monitor", "stdio", "-device", loader],
        input="\n".join([*commands, ""]),
        text=True,
        capture_output=True,
        cwd=folder,
        check=True,
        timeout=60,
    )
    return folder


@pytest.mark.parametrize(
    ("name", "member"),
    [("elf", None), ("paging", None), ("kdump", "vmcore!memory"), ("stream", "ram")],
)
def test_keys_in_the_memory_of_a_guest_are_found(name, member, guest, planted, scan):
    """Limbs and text in a guest's memory, in each way in which QEMU dumps it."""
    data = (guest / name).read_bytes()

    report = scan(data)

    assert report.gaps == ()
    assert {f.fingerprint for f in report.findings} == {planted.limbs, planted.text}
    places = [p for f in report.findings for p in f.occurrences if p.member == member]
    if member is None:
        assert all(data[p.offset] == planted.memory[p.address - GUEST_ADDRESS] for p in places)
    if name != "stream":
        inside = {p.address - GUEST_ADDRESS for p in places}
        assert inside >= {PRIME_AT, OTHER_PRIME_AT, PEM_AT}


def test_keys_in_a_java_heap_are_found(tmp_path, scan):
    """RSA and EC keys that Java holds as BigInteger are found in the JVM's own heap dump."""
    (tmp_path / "Holder.java").write_text(HEAP_HOLDER)
    subprocess.run(
        ["java", "-Xmx64m", "-XX:+UseSerialGC", "Holder.java", "rsa", "ec", "dump.hprof"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        timeout=120,
    )

    report = scan((tmp_path / "dump.hprof").read_bytes())

    found = {f.fingerprint for f in report.findings}
    assert found >= {fingerprint_of(tmp_path / "rsa"), fingerprint_of(tmp_path / "ec")}
    assert report.gaps == ()


def test_key_in_a_node_heap_snapshot_is_found(tmp_path, scan):
    """A PEM string of a Node process is found among the escaped strings of its snapshot."""
    subprocess.run(
        ["node", "-e", SNAPSHOT_HOLDER, "ec", "heap.heapsnapshot"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        timeout=60,
    )

    report = scan((tmp_path / "heap.heapsnapshot").read_bytes())

    assert fingerprint_of(tmp_path / "ec") in {f.fingerprint for f in report.findings}


def test_key_in_a_core_by_gcore_is_found(tmp_path, scan):
    """A live process dumped by gdb, whose core holds memory at odd multiples of eight."""
    holder = subprocess.Popen(
        [sys.executable, "-c", NUMBERS_HOLDER, "rsa"], cwd=tmp_path, stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        subprocess.run(
            ["gcore", "-o", "core", str(holder.pid)],
            cwd=tmp_path,
            check=True,
            capture_output=True,
            timeout=60,
        )
    finally:
        holder.kill()
        holder.wait()

    report = scan((tmp_path / f"core.{holder.pid}").read_bytes())

    findings = {f.fingerprint: f for f in report.findings}
    key = findings[fingerprint_of(tmp_path / "rsa")]
    assert all(place.address is not None for place in key.occurrences)
