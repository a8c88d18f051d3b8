"""AES keys and generators in real processes of real libraries, dumped by gdb."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lockgate.scan.report import FindingClass, Outcome, Report

#: Sets keys in every library, prints their fingerprints by name, and waits. The keys are wiped.
HOLDER = """
import ctypes, hashlib, json, os, sys

held, told = [], {}

def key(name, size):
    made = os.urandom(size)
    told[f"{name} {8 * size}"] = "sha256:" + hashlib.sha256(made).hexdigest()
    return made

def room():
    held.append(ctypes.create_string_buffer(4096))
    return held[-1]

mbedtls, nettle = ctypes.CDLL("libmbedcrypto.so.7"), ctypes.CDLL("libnettle.so.8")
for bits in 128, 192, 256:
    for way, long_way in ("enc", "encrypt"), ("dec", "decrypt"):
        context = room()
        mbedtls.mbedtls_aes_init(context)
        given = key(f"mbedtls {way}", bits // 8)
        getattr(mbedtls, f"mbedtls_aes_setkey_{way}")(context, given, bits)
        given = key(f"nettle {way}", bits // 8)
        getattr(nettle, f"nettle_aes{bits}_set_{long_way}_key")(room(), given)

gcrypt = ctypes.CDLL("libgcrypt.so.20")
gcrypt.gcry_check_version(None)
for algorithm, size in (7, 16), (8, 24), (9, 32):
    handle, cbc = ctypes.c_void_p(), 3
    gcrypt.gcry_cipher_open(ctypes.byref(handle), algorithm, cbc, 0)
    gcrypt.gcry_cipher_setkey(handle, key("libgcrypt", size), ctypes.c_size_t(size))
    many = ctypes.c_size_t(64)
    gcrypt.gcry_cipher_decrypt(handle, room(), many, bytes(64), many)

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
for size in 16, 24, 32:
    for way in "encryptor", "decryptor":
        cipher = Cipher(algorithms.AES(key(f"openssl {way}", size)), modes.CBC(bytes(16)))
        held.append(getattr(cipher, way)())
        held[-1].update(bytes(64))

ctypes.CDLL("libcrypto.so.3").RAND_bytes(room(), 64)
gnutls = ctypes.CDLL("libgnutls.so.30")
gnutls.gnutls_global_init()
gnutls.gnutls_rnd(1, room(), ctypes.c_size_t(64))

print(json.dumps(told), flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def dumped(tmp_path_factory) -> tuple[Path, dict[str, str]]:
    """The core of the holder, and the fingerprints of its keys by name."""
    folder = tmp_path_factory.mktemp("holder")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", HOLDER], **pipes) as process:
        told = json.loads(process.stdout.readline())
        dump = ["gcore", "-o", str(folder / "core"), str(process.pid)]
        subprocess.run(dump, check=True, capture_output=True)
        process.stdin.close()
    return folder / f"core.{process.pid}", told


@pytest.fixture(scope="module")
def report(dumped, scanner) -> Report:
    """What is seen in the core."""
    fd = os.open(dumped[0], os.O_RDONLY)
    try:
        return scanner.scan_fd(fd, b"core")
    finally:
        os.close(fd)


def test_every_schedule_of_every_library_is_found(dumped, report):
    """mbedTLS, nettle, libgcrypt and OpenSSL; three sizes, both directions."""
    found = {f.fingerprint for f in report.findings}
    assert len(dumped[1]) == 21
    assert {name for name, key in dumped[1].items() if key not in found} == set()


def test_what_is_not_of_the_program_is_of_generators_or_published(dumped, report):
    """Nothing blocks, and nothing but the program's own keys is called a session's."""
    sessions = {f.fingerprint for f in report.findings if f.class_ is FindingClass.SESSION}
    assert sessions == set(dumped[1].values())
    assert report.outcome is not Outcome.FOUND


@pytest.mark.parametrize(("algorithm", "least"), [("AES", 2), ("ChaCha20", 2)])
def test_generators_are_told_by_their_structure(report, algorithm, least):
    """OpenSSL's CTR_DRBG and GnuTLS's ChaCha20 are in every process that drew from them."""
    found = [f for f in report.findings if f.class_ is FindingClass.RNG]
    assert sum(f.algorithm == algorithm for f in found) >= least
