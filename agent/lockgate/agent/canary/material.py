"""Making canaries: ``python -m lockgate.agent.canary.material --into FD``.

Rules enforced here:

1. The keys are made for one run of the agent, by a process that ends when it has made them.
   Private bytes go into the descriptor, a file in memory (memfd_create(2)), and nowhere else.
2. They take the forms that matter: the text that people copy (PEM), and a prime of an RSA key
   as the bare limbs that a live process holds, inside a small core.
3. Each form has a place for noise, so that no two files of it are the same.

What goes into the descriptor is one JSON object: ``{"forms": [{"form", "noise_at",
"noise_bytes", "content"}, ...]}``, contents in base64. What is printed is public:
``{"spki": [...]}``, the SubjectPublicKeyInfo of each form in base64, in the same order.
"""

from __future__ import annotations

import argparse
import array
import base64
import json
import os
import sys
from dataclasses import dataclass
from typing import NoReturn

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from lockgate.agent.canary import small_core
from lockgate.cli.hardening import forbid_core_dumps

_NOTE = b"Lockgate canary "
_NOISE_BYTES = 32
#: Of half the modulus of an RSA key of 2048 bits.
_PRIME_BYTES = 128


@dataclass(frozen=True, slots=True)
class Form:
    """One canary: a file's ``content``, and the public half of the key in it (DER)."""

    form: str
    content: bytes
    noise_at: int
    noise_bytes: int
    spki: bytes


def pem() -> Form:
    """A fresh EC key as PKCS#8 text (RFC 7468), after a line of noise."""
    key = ec.generate_private_key(ec.SECP256R1())
    text = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    content = _NOTE + b"-" * _NOISE_BYTES + b"\n" + text
    return Form("pem", content, len(_NOTE), _NOISE_BYTES, _spki(key.public_key()))


def limbs() -> Form:
    """A prime of a fresh RSA key as limbs in a core of this process, and nothing else of it.

    The key is made by a child, and its public half heard last: with it, or with another part of
    the key on the same pages, the prime would be proven where it is to be only a number.
    """
    heard, said = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if child == 0:
        _say_rsa_key(said)
    os.close(said)
    with os.fdopen(heard, "rb", buffering=0) as pipe:
        limbs_of_prime = pipe.read(_PRIME_BYTES)
        if len(limbs_of_prime) < _PRIME_BYTES:
            raise RuntimeError("no RSA key was made")
        live = array.array("Q", bytes(16) + limbs_of_prime + bytes(16))
        prime = int.from_bytes(live.tobytes(), "little") >> 128
        content = small_core.core_of(small_core.around([prime]))
        spki = pipe.read()
    os.waitpid(child, 0)
    return Form("limbs", content, small_core.NOISE_AT, small_core.NOISE_BYTES, spki)


def _say_rsa_key(target: int) -> NoReturn:
    """In the child: the prime's limbs, the least significant first, and the public half."""
    status = 1
    try:
        key = rsa.generate_private_key(65537, 16 * _PRIME_BYTES)
        prime = key.private_numbers().p.to_bytes(_PRIME_BYTES, "little")
        os.write(target, prime + _spki(key.public_key()))
        status = 0
    finally:
        os._exit(status)


def _spki(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _plain(form: Form) -> dict[str, object]:
    return {
        "form": form.form,
        "noise_at": form.noise_at,
        "noise_bytes": form.noise_bytes,
        "content": base64.b64encode(form.content).decode(),
    }


def main() -> None:
    """Make the forms, hand them over, and say what is public of them."""
    parser = argparse.ArgumentParser(prog="lockgate-canary-material")
    parser.add_argument("--into", type=int, required=True)
    into = parser.parse_args().into
    forbid_core_dumps()
    bare = limbs()  # first: no other key has been in this process
    forms = (pem(), bare)
    with os.fdopen(into, "wb") as target:
        target.write(json.dumps({"forms": [_plain(form) for form in forms]}).encode())
    public = [base64.b64encode(form.spki).decode() for form in forms]
    json.dump({"spki": public}, sys.stdout)


if __name__ == "__main__":
    main()
