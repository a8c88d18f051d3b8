"""Make ``lockgate/formats/published_test_keys.txt``: fingerprints of keys that everybody has.

Usage::

    python rules/collect_test_keys.py ORIGIN=PATH... > published_test_keys.txt

Each PATH (a file or folder) is scanned with the shipped formats; every proven key or token in
it is listed under ORIGIN, the name of the public package that it came from. Only packages
that anybody can download may be given: the list turns their keys into warnings.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from lockgate.formats.scanner import standard_scanner
from lockgate.scan.engine import Scanner
from lockgate.scan.prove import ec, edwards
from lockgate.scan.report import FindingClass

_HEADER = """\
# Published test keys: the public fingerprint and the package or standard that publishes the
# private key. Made by rules/collect_test_keys.py; holds no private byte.
"""

#: Public keys of examples in standards: algorithm, public key in hex, origin.
_STANDARDS = (
    ("Ed25519", "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "RFC 8032"),
    ("Ed25519", "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "RFC 8032"),
    ("Ed25519", "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "RFC 8032"),
    ("Ed25519", "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1", "RFC 8410"),
    ("X25519", "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a", "RFC 7748"),
    ("X25519", "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f", "RFC 7748"),
)

_COUNTING = bytes(range(32))
_GCM = bytes.fromhex("feffe9928665731c6d6a8f9467308308")

#: AES keys of examples in standards, which libraries hold for their self-tests; OpenSSL derives
#: from the counting one whenever it seeds a generator (NIST SP 800-90A, 10.3.2).
_AES_KEYS = (
    (_COUNTING[:16], "FIPS 197"),
    (_COUNTING[:24], "FIPS 197"),
    (_COUNTING, "FIPS 197"),
    (bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c"), "NIST SP 800-38A"),
    (bytes.fromhex("8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b"), "NIST SP 800-38A"),
    (
        bytes.fromhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"),
        "NIST SP 800-38A",
    ),
    (bytes.fromhex("404142434445464748494a4b4c4d4e4f"), "NIST SP 800-38C"),
    (_GCM, "NIST GCM specification"),
    ((2 * _GCM)[:24], "NIST GCM specification"),
    (2 * _GCM, "NIST GCM specification"),
    (bytes(16), "NIST GCM specification"),
    (bytes(24), "NIST GCM specification"),
    (bytes(32), "NIST GCM specification"),
    (bytes.fromhex("e8e9eaebedeeeff0f2f3f4f5f7f8f9fa"), "Rijndael test vectors"),
    (
        bytes.fromhex("04050607090a0b0c0e0f10111314151618191a1b1d1e1f20"),
        "Rijndael test vectors",
    ),
    (
        bytes.fromhex("08090a0b0d0e0f10121314151718191a1c1d1e1f21222324262728292b2c2d2e"),
        "Rijndael test vectors",
    ),
)

#: EC public keys of examples in standards: X and Y on P-256 in base64url, origin.
_EC_KEYS = (
    (
        "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "RFC 7515",
    ),
    (
        "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
        "RFC 7517",
    ),
)

#: Symmetric keys of examples, in base64url.
_SYMMETRIC_KEYS = (
    (
        "AyM1SysPpbyfDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAw",
        "RFC 7515",
    ),
    ("GawgguFyGrWKav7AX4VKUg", "RFC 7517"),
)

#: Keys that emulators accept for everybody, as they stand in connection strings.
_EMULATORS = (
    (
        "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
        "Azurite",
    ),
    (
        "C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw==",
        "Azure Cosmos DB emulator",
    ),
)

#: The samples of jwt.io: algorithm, claims, secret.
_JOHN = '"sub":"1234567890","name":"John Doe",'
_JWT_SAMPLES = tuple(
    (bits, f"{{{_JOHN}{claims}}}", secret)
    for bits, claims, secret in (
        (256, '"iat":1516239022', "your-256-bit-secret"),
        (256, '"admin":true,"iat":1516239022', "your-256-bit-secret"),
        (256, '"admin":true,"iat":1516239022', "a-string-secret-at-least-256-bits-long"),
        (256, '"admin":true', "secret"),
        (384, '"admin":true,"iat":1516239022', "your-384-bit-secret"),
        (512, '"admin":true,"iat":1516239022', "your-512-bit-secret"),
    )
)


def _url64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _sample_token(bits: int, claims: str, secret: str) -> bytes:
    head = f'{{"alg":"HS{bits}","typ":"JWT"}}'
    body = _url64(head.encode()) + b"." + _url64(claims.encode())
    return body + b"." + _url64(hmac.digest(secret.encode(), body, f"sha{bits}"))


def _examples() -> Iterator[tuple[str, str]]:
    """Fingerprint and origin of the secrets of standards, emulators and manuals."""

    def sha256(secret: bytes) -> str:
        return f"sha256:{hashlib.sha256(secret).hexdigest()}"

    def decoded(text: str) -> bytes:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

    for x, y, origin in _EC_KEYS:
        point = b"\4" + decoded(x) + decoded(y)
        yield ec.fingerprint(ec.CURVES["P-256"], point), f"{origin} EC P-256"
    for text, origin in _SYMMETRIC_KEYS:
        yield sha256(decoded(text)), f"{origin} oct"
    for text, origin in _EMULATORS:
        yield sha256(text.encode()), f"{origin} account key"
    for bits, claims, secret in _JWT_SAMPLES:
        yield sha256(_sample_token(bits, claims, secret)), f"jwt.io JWT HS{bits}"


def main(arguments: list[str]) -> int:
    """Print the list; returns the exit code."""
    if not arguments or not all("=" in a for a in arguments):
        sys.stderr.write(__doc__ or "")
        return 2
    keys = {
        edwards.fingerprint(algorithm, bytes.fromhex(public)): f"{origin} {algorithm}"
        for algorithm, public, origin in _STANDARDS
    }
    for key, origin in _AES_KEYS:
        keys[f"sha256:{hashlib.sha256(key).hexdigest()}"] = f"{origin} AES {8 * len(key)}"
    keys |= dict(_examples())
    scanner = standard_scanner()
    for argument in arguments:
        origin, _, place = argument.partition("=")
        for fingerprint, label in _keys_below(scanner, Path(place)):
            keys.setdefault(fingerprint, f"{origin} {label}")
    lines = sorted(f"{fingerprint} {origin}\n" for fingerprint, origin in keys.items())
    sys.stdout.write(_HEADER + "".join(sorted(lines, key=lambda x: x.partition(" ")[2])))
    return 0


#: What in a public package everybody has: keys of every kind, and tokens; not what is so weak
#: that its fingerprint is salted.
_LISTED = {FindingClass.PRIVATE, FindingClass.CREDENTIAL, FindingClass.TEST}


def _keys_below(scanner: Scanner, place: Path) -> Iterator[tuple[str, str]]:
    paths = [place] if place.is_file() else sorted(p for p in place.rglob("*") if p.is_file())
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            report = scanner.scan_fd(descriptor, path.name)
        finally:
            os.close(descriptor)
        for finding in report.findings:
            if finding.class_ in _LISTED and finding.fingerprint.startswith("sha256:"):
                yield finding.fingerprint, f"{path.name} {finding.algorithm} {finding.bits}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
