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

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from lockgate.agent.canary import small_core
from lockgate.cli.hardening import forbid_core_dumps

_NOTE = b"Lockgate canary "
_NOISE_BYTES = 32


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
    """A prime of a fresh RSA key as limbs in a core of this process, and nothing else of it."""
    key = rsa.generate_private_key(65537, 2048)
    spki = _spki(key.public_key())
    prime = key.private_numbers().p
    del key  # OpenSSL clears its own copies; only the limbs made here are left
    live = array.array("Q", bytes(16) + prime.to_bytes(128, "little") + bytes(16))
    content = small_core.core_of(small_core.around([prime]))
    del live
    return Form("limbs", content, small_core.NOISE_AT, small_core.NOISE_BYTES, spki)


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
    forms = (pem(), limbs())
    with os.fdopen(into, "wb") as target:
        target.write(json.dumps({"forms": [_plain(form) for form in forms]}).encode())
    public = [base64.b64encode(form.spki).decode() for form in forms]
    json.dump({"spki": public}, sys.stdout)


if __name__ == "__main__":
    main()
