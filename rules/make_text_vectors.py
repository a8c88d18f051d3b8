"""Make the vectors of the text formats and tokens: fresh test keys, damaged ones, look-alikes.

Usage::

    python rules/make_text_vectors.py [FORMAT...]

Needs puttygen, gpg, age-keygen, minisign, wg and dnssec-keygen. Writes
``lockgate/formats/<name>/vectors/{positive,damaged,look-alike}-*.bin``. Every secret is made for
this purpose and protects nothing. The vectors are not part of the wheel.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import string
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from lockgate.formats.azure import marvin

_FORMATS = Path(__file__).parent / "lockgate" / "formats"
_NOTICE = """\
Test keys, made by rules/make_text_vectors.py for the tests of this format. They protect nothing.
positive-*: proven. damaged-*: never clean. look-alike-*: refuted.
"""
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


def _run(folder: Path, *command: str) -> bytes:
    environment = {**os.environ, "GNUPGHOME": str(folder)}
    done = subprocess.run(
        command, cwd=folder, check=True, capture_output=True, timeout=120, env=environment
    )
    return done.stdout


def _url64(number_or_bytes: int | bytes, size: int | None = None) -> str:
    data = number_or_bytes
    if isinstance(data, int):
        data = data.to_bytes(size or (data.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _changed(text: bytes, at: int) -> bytes:
    """With another character at ``at``: where nothing checks it, a secret stays a secret."""
    return text[:at] + (b"e" if text[at : at + 1] != b"e" else b"d") + text[at + 1 :]


def _text(count: int, alphabet: str = _BASE62) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(count))


def _jwk() -> dict[str, bytes]:
    numbers = ec.generate_private_key(ec.SECP256R1()).private_numbers()
    x, y = numbers.public_numbers.x, numbers.public_numbers.y
    key = {"kty": "EC", "crv": "P-256", "x": _url64(x, 32), "y": _url64(y, 32)}
    private = key | {"d": _url64(numbers.private_value, 32)}
    wrong = key | {"d": _url64(secrets.token_bytes(32))}
    return {
        "positive-p256": json.dumps(private).encode(),
        "damaged-scalar": json.dumps(wrong).encode(),
        "look-alike-public": json.dumps({"keys": [key]}).encode(),
    }


def _xml() -> dict[str, bytes]:
    numbers = rsa.generate_private_key(65537, 2048).private_numbers()
    public = numbers.public_numbers
    values = {
        "Modulus": public.n, "Exponent": public.e, "P": numbers.p, "Q": numbers.q,
        "DP": numbers.dmp1, "DQ": numbers.dmq1, "InverseQ": numbers.iqmp, "D": numbers.d,
    }  # fmt: skip

    def element(names: tuple[str, ...], changes: dict[str, int]) -> bytes:
        encoded = {
            name: base64.b64encode(v.to_bytes((v.bit_length() + 7) // 8, "big")).decode()
            for name, v in (values | changes).items()
        }
        inner = "".join(f"<{name}>{encoded[name]}</{name}>" for name in names)
        return f"<RSAKeyValue>{inner}</RSAKeyValue>".encode()

    every = tuple(values)
    noise = int.from_bytes(secrets.token_bytes(256), "big")
    return {
        "positive-rsa2048": element(every, {}),
        "damaged-numbers": element(every, dict.fromkeys(every[2:], noise)),
        "look-alike-public": element(("Modulus", "Exponent"), {}),
    }


def _putty(folder: Path) -> dict[str, bytes]:
    _run(folder, "puttygen", "-t", "ed25519", "-q", "-o", "k.ppk", "--new-passphrase", os.devnull)
    key = (folder / "k.ppk").read_bytes()
    head = key[: key.index(b"Private-Lines")]
    private = key.index(b"\n", key.index(b"Private-Lines")) + 1
    changed = b"B" if key[private + 10 : private + 11] == b"A" else b"A"
    return {
        "positive-ed25519": key,
        "damaged-seed": key[: private + 10] + changed + key[private + 11 :],
        "look-alike-head": head,
    }


def _gnupg(folder: Path) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """The vectors of gpg-agent's format and of OpenPGP."""
    batch = ("gpg", "--batch", "--quiet", "--passphrase", "")
    _run(folder, *batch, "--quick-gen-key", "Test key <test@example.com>", "ed25519", "sign")
    agent = next((folder / "private-keys-v1.d").iterdir()).read_bytes()
    packets = _run(folder, *batch, "--export-secret-keys")
    public = _run(folder, *batch, "--export")
    _run(folder, "gpgconf", "--kill", "all")
    flipped = bytearray(packets)
    flipped[80] ^= 1
    return (
        {
            "positive-ed25519": agent,
            "damaged-cut": agent[: agent.index(b"(d ") + 40],
            "look-alike-words": b'(private-key "of no kind")\n',
        },
        {
            "positive-ed25519": packets,
            "damaged-secret": bytes(flipped),
            "look-alike-public": public,
        },
    )


def _age(folder: Path) -> dict[str, bytes]:
    identity = _run(folder, "age-keygen")
    at = identity.index(b"AGE-SECRET-KEY-1") + 30
    changed = b"Q" if identity[at : at + 1] != b"Q" else b"P"
    return {
        "positive-x25519": identity,
        "damaged-character": identity[:at] + changed + identity[at + 1 :],
        "look-alike-prefix": b"use AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ\n",
    }


def _minisign(folder: Path) -> dict[str, bytes]:
    _run(folder, "minisign", "-G", "-W", "-p", "k.pub", "-s", "k.key")
    key = (folder / "k.key").read_bytes()
    return {
        "positive-clear": key,
        "damaged-cut": key[:160] + b"\n",
        "look-alike-public": (folder / "k.pub").read_bytes() + b"RWQAAEIyAAAAAAAAAAAAAAAAAAAA\n",
    }


def _wireguard(folder: Path) -> dict[str, bytes]:
    key, shared = _run(folder, "wg", "genkey").strip(), _run(folder, "wg", "genpsk").strip()
    config = b"[Interface]\nPrivateKey = %s\n\n[Peer]\nPresharedKey = %s\n"
    empty = b"A" * 43 + b"="
    return {
        "positive-config": config % (key, shared),
        "damaged-character": config % (_changed(key, 20), _changed(shared, 20)),
        "look-alike-empty": config % (empty, empty),
    }


def _dnssec(folder: Path) -> dict[str, bytes]:
    _run(folder, "dnssec-keygen", "-q", "-a", "RSASHA256", "example.com")
    key = next(folder.glob("K*.private")).read_bytes()
    return {
        "positive-rsa": key,
        "damaged-modulus": key.replace(b"Modulus: ", b"Modulus: AAAA"),
        "look-alike-head": b"Private-key-format: v1.3\nAlgorithm: 8 (RSASHA256)\n",
    }


def _keylog() -> dict[str, bytes]:
    client, secret = secrets.token_hex(32), secrets.token_hex(48)
    line = f"CLIENT_RANDOM {client} {secret}\n".encode()
    return {
        "positive-master": line,
        "damaged-character": _changed(line, 120),
        "look-alike-zeros": f"CLIENT_RANDOM {client} {'0' * 96}\n".encode(),
    }


def _github() -> str:
    body = _text(30)
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return f"ghp_{body}{digits}"


def _tokens() -> dict[str, bytes]:
    token = _github()
    return {
        "positive-github": token.encode(),
        "damaged-character": _changed(f"dop_v1_{secrets.token_hex(32)}".encode(), 30),
        "look-alike-checksum": (token[:-1] + ("0" if token[-1] != "0" else "1")).encode(),
        "look-alike-placeholder": b"glpat-xxxxxxxxxxxxxxxxxxxx sk_live_" + b"0123456789" * 3,
    }


def _jwt() -> dict[str, bytes]:
    def token(algorithm: str, signature: bytes) -> bytes:
        header = _url64(json.dumps({"alg": algorithm}).encode())
        claims = _url64(json.dumps({"sub": "test", "iat": int(time.time())}).encode())
        return f"{header}.{claims}.{_url64(signature)}".encode()

    signed = token("HS256", secrets.token_bytes(32))
    return {
        "positive-hs256": signed,
        "damaged-signature": _changed(signed, len(signed) - 9),
        "look-alike-unsigned": token("none", b""),
        "look-alike-short": token("RS256", secrets.token_bytes(32)),
    }


def _aws() -> dict[str, bytes]:
    identifier = "AKIA" + _text(16, string.ascii_uppercase + "234567")
    pair = "aws_access_key_id = {}\naws_secret_access_key = {}\n"
    example = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    secret = _text(40, _BASE62 + "+/")
    return {
        "positive-pair": pair.format(identifier, secret).encode(),
        "damaged-character": pair.format(identifier, secret[:20] + "x" + secret[21:]).encode(),
        "look-alike-example": pair.format(*example).encode(),
        "look-alike-identifier": identifier.encode(),
    }


def _azure() -> dict[str, bytes]:
    body = secrets.token_bytes(57) + base64.b64decode("+ASt")
    key = body + marvin.checksum(body, int.from_bytes(b"Default0", "big"))
    wrong = body + bytes(4)
    setting = b"AccountName=test;AccountKey=" + base64.b64encode(secrets.token_bytes(64))
    return {
        "damaged-character": _changed(setting, 60),
        "positive-storage": base64.b64encode(key),
        "look-alike-checksum": base64.b64encode(wrong),
    }


def _logins() -> dict[str, bytes]:
    def config(password: str) -> bytes:
        login = base64.b64encode(f"user:{password}".encode()).decode()
        return json.dumps({"auths": {"registry.example.com": {"auth": login}}}).encode()

    return {
        "positive-docker": config(_text(24)),
        "damaged-character": config("x" + _text(23)),
        "look-alike-words": config("correct horse battery staple"),
        "look-alike-kubeadm": b"kubeadm join 10.0.0.1:6443 --token abcdef.0123456789abcdef\n",
    }


def _bitcoin() -> dict[str, bytes]:
    def base58(body: bytes) -> str:
        digest = hashlib.sha256(hashlib.sha256(body).digest()).digest()
        number, text = int.from_bytes(body + digest[:4], "big"), ""
        while number:
            number, digit = divmod(number, 58)
            text = _BASE58[digit] + text
        return text

    extended = bytes.fromhex("0488ade4") + bytes(9) + secrets.token_bytes(32)
    key = base58(extended + b"\0" + secrets.token_bytes(32))
    words = f"wif={base58(bytes((0x80,)) + secrets.token_bytes(32) + bytes((1,)))} {key[:-1]}"
    return {
        "positive-xprv": key.encode(),
        "damaged-second": words.encode(),
        "look-alike-checksum": _changed(key.encode(), 40),
    }


def vectors() -> dict[str, dict[str, bytes]]:
    """Format name to vector name to bytes."""
    made: dict[str, dict[str, bytes]] = {
        "jwk": _jwk(), "xml_key": _xml(), "keylog": _keylog(), "tokens": _tokens(),
        "jwt": _jwt(), "aws": _aws(), "azure": _azure(), "logins": _logins(), "bitcoin": _bitcoin(),
    }  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="lockgate-vectors-") as name:
        folder = Path(name)
        made["putty"], made["age"] = _putty(folder), _age(folder)
        made["minisign"], made["wireguard"] = _minisign(folder), _wireguard(folder)
        made["dnssec"] = _dnssec(folder)
        made["gnupg"], made["openpgp"] = _gnupg(folder)
    return made


def main() -> None:
    """Write all vectors anew, or those of the formats named."""
    wanted = sys.argv[1:]
    for name, files in vectors().items():
        if wanted and name not in wanted:
            continue
        folder = _FORMATS / name / "vectors"
        folder.mkdir(exist_ok=True)
        for old in folder.glob("*.bin"):
            old.unlink()
        (folder / "README").write_text(_NOTICE, encoding="ascii")
        for vector, content in files.items():
            (folder / f"{vector}.bin").write_bytes(content)


if __name__ == "__main__":
    main()
