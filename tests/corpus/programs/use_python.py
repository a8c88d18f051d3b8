"""Python libraries: ``use_python.py LIBRARY KIND KEYFILE``; the key object stays alive."""

from __future__ import annotations

import sys
from pathlib import Path


def cryptography_pair(kind: str, file: bytes) -> object:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, x25519
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(file, None)
    for _ in range(2):
        if kind == "rsa":
            key.sign(b"message", padding.PKCS1v15(), hashes.SHA256())
        elif kind == "ec":
            key.sign(b"message", ec.ECDSA(hashes.SHA256()))
        elif kind == "ed25519":
            key.sign(b"message")
        else:
            key.exchange(x25519.X25519PrivateKey.generate().public_key())
    return key


def cryptography_aes(_: str, file: bytes) -> object:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    cipher = Cipher(algorithms.AES(file), modes.CBC(bytes(16)))
    kept = cipher.encryptor(), cipher.decryptor()
    kept[1].update(kept[0].update(bytes(32)))
    return kept


def numbers(_: str, file: bytes) -> object:
    """All numbers of the key as integers of CPython."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return load_pem_private_key(file, None).private_numbers()


def rsa(_: str, file: bytes) -> object:
    import rsa as pure

    key = pure.PrivateKey.load_pkcs1(file)
    pure.sign(b"message", key, "SHA-256")
    return key


def ecdsa(_: str, file: bytes) -> object:
    from ecdsa import SigningKey

    key = SigningKey.from_pem(file)
    key.sign(b"message")
    return key


def nacl(kind: str, file: bytes) -> object:
    from nacl.public import PrivateKey
    from nacl.signing import SigningKey

    if kind == "x25519":
        return PrivateKey(file)
    key = SigningKey(file)
    key.sign(b"message")
    return key


def pycryptodome(kind: str, file: bytes) -> object:
    from Crypto.Cipher import AES
    from Crypto.Hash import SHA256
    from Crypto.PublicKey import ECC, RSA
    from Crypto.Signature import DSS, eddsa, pkcs1_15

    if kind == "aes":
        cipher = AES.new(file, AES.MODE_ECB, use_aesni=False)
        cipher.encrypt(bytes(16))
        return cipher
    digest = SHA256.new(b"message")
    if kind == "rsa":
        key = RSA.import_key(file)
        pkcs1_15.new(key).sign(digest)
    elif kind == "ec":
        key = ECC.import_key(file)
        DSS.new(key, "fips-186-3").sign(digest)
    else:
        key = ECC.import_key(file)
        eddsa.new(key, "rfc8032").sign(b"message")
    return key


def awscrt(_: str, file: bytes) -> object:
    from awscrt.crypto import RSA, RSASignatureAlgorithm

    key = RSA.new_private_key_from_pem_data(file.decode())
    key.sign(RSASignatureAlgorithm.PKCS1_5_SHA256, bytes(32))
    return key


def coincurve(_: str, file: bytes) -> object:
    from coincurve import PrivateKey

    key = PrivateKey(file)
    key.sign(b"message")
    return key


def text(_: str, file: bytes) -> object:
    """A signer that keeps the text of its key and loads it anew for each signature."""
    cryptography_pair("rsa", file)
    return file


def none(_: str, __: bytes) -> object:
    import ssl

    from cryptography.hazmat.primitives import hashes

    digest = hashes.Hash(hashes.SHA256())
    digest.update(b"message")
    return digest.finalize(), ssl.create_default_context()


def main() -> None:
    library, kind, *rest = sys.argv[1:]
    kept = globals()[library](kind, Path(rest[0]).read_bytes() if rest else b"")
    print("READY", flush=True)
    sys.stdin.readline()
    del kept


main()
