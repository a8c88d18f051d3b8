"""A token-signing service, as it ran in the incident: RSA, its key only in memory.

Started by the demo and the tests. It makes its key itself and never writes it anywhere; it
publishes the public half and a token, says ``READY``, and then signs whatever arrives on
standard input until it is killed. With ``--verify-only`` it is the same program in the role
that has no private key: it checks tokens with the published public key.

Rules enforced here: nothing of lockgate is imported, so that the truth about the dump does
not come from the scanner under test.
"""

from __future__ import annotations

import argparse
import base64
import json
import resource
import sys
import time
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa


def _segment(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def sign(key: rsa.RSAPrivateKey, subject: str) -> str:
    """Claims and their signature, PKCS #1 v1.5 over SHA-256.

    No JSON Web Token: one that is still good is a credential, and rightly stops whatever holds it.
    """
    claims = {"iss": "token-service", "sub": subject, "iat": int(time.time())}
    signed = _segment(json.dumps(claims).encode())
    signature = key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{_segment(signature)}"


def verify(key: rsa.RSAPublicKey, token: str) -> None:
    """Check a token's signature.

    Raises:
        cryptography.exceptions.InvalidSignature: the token was not signed by this key.
    """
    signed, _, signature = token.rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    key.verify(raw, signed.encode(), padding.PKCS1v15(), hashes.SHA256())


def serve_signing(public: Path, token: Path, bits: int) -> None:
    """Sign every line of standard input, for ever."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    public.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    for number in range(20):
        token.write_text(sign(key, f"user-{number}"))
    print("READY", flush=True)
    for line in sys.stdin:
        print(sign(key, line.strip()), flush=True)


def serve_verifying(public: Path, token: Path) -> None:
    """Check the published token, and then every line of standard input."""
    key = serialization.load_pem_public_key(public.read_bytes())
    assert isinstance(key, rsa.RSAPublicKey)
    verify(key, token.read_text())
    print("READY", flush=True)
    for line in sys.stdin:
        verify(key, line.strip())


def main() -> None:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--public", type=Path, required=True, help="PEM file of the public key")
    parser.add_argument("--token", type=Path, required=True, help="file of the last token")
    parser.add_argument("--verify-only", action="store_true", help="run without a private key")
    parser.add_argument("--bits", type=int, default=2048, help="modulus size")
    arguments = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    if arguments.verify_only:
        serve_verifying(arguments.public, arguments.token)
    else:
        serve_signing(arguments.public, arguments.token, arguments.bits)


if __name__ == "__main__":
    main()
