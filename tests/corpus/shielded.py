"""Keys that OpenSSH holds shielded (sshkey.c): opened with the pre-key that lies beside them.

``struct sshkey`` ends in {pointer to the blob, its length, pointer to the pre-key, 16384}. Key
and IV of AES-256-CTR are the first 48 bytes of SHA-512 of the pre-key.
"""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path
from typing import BinaryIO

import elf
import numpy as np
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from keys import of

_PREKEY = 16384
_CURVES = {b"nistp256": ec.SECP256R1(), b"nistp384": ec.SECP384R1(), b"nistp521": ec.SECP521R1()}


def unshielded(path: Path) -> dict[str, list[int]]:
    """Fingerprints of the shielded keys, each with the offsets of its blobs."""
    loaded = elf.segments(path)
    found: dict[str, list[int]] = {}
    with path.open("rb") as file:
        for segment in loaded:
            file.seek(segment.offset)
            content = file.read(segment.size)
            words = np.frombuffer(content, dtype="<u8", count=len(content) // 8)
            for at in np.flatnonzero(words == _PREKEY).tolist():
                if at >= 3:
                    _open(file, loaded, words[at - 3 : at], found)
    return found


def _open(
    file: BinaryIO, loaded: list[elf.Segment], words: np.ndarray, found: dict[str, list[int]]
) -> None:
    blob_at, length, prekey_at = words.tolist()
    if not 16 <= length <= 1 << 16 or length % 16:
        return
    where, blob = _read(file, loaded, blob_at, length)
    _, prekey = _read(file, loaded, prekey_at, _PREKEY)
    if len(blob) != length or len(prekey) != _PREKEY or not any(prekey):
        return
    digest = hashlib.sha512(prekey).digest()
    cipher = Cipher(algorithms.AES(digest[:32]), modes.CTR(digest[32:48]))
    key = _parse(cipher.decryptor().update(blob))
    if key is not None:
        found.setdefault(of(key).fingerprint, []).append(where)


def _read(file: BinaryIO, loaded: list[elf.Segment], address: int, size: int) -> tuple[int, bytes]:
    for segment in loaded:
        if segment.address <= address < segment.address + segment.size:
            offset = segment.offset + address - segment.address
            file.seek(offset)
            return offset, file.read(min(size, segment.address + segment.size - address))
    return 0, b""


def _parse(clear: bytes) -> object | None:
    """The private key of a serialised ``sshkey``; None where it is none."""
    fields, at = [], 0
    while at + 4 <= len(clear):
        size = struct.unpack_from(">I", clear, at)[0]
        if at + 4 + size > len(clear):
            break
        fields.append(clear[at + 4 : at + 4 + size])
        at += 4 + size
    name = fields[0] if fields else b""
    if name == b"ssh-ed25519" and len(fields) >= 3 and len(fields[2]) == 64:
        return ed25519.Ed25519PrivateKey.from_private_bytes(fields[2][:32])
    if name.startswith(b"ecdsa-sha2-") and len(fields) >= 4 and fields[1] in _CURVES:
        return ec.derive_private_key(int.from_bytes(fields[3], "big"), _CURVES[fields[1]])
    if name == b"ssh-rsa" and len(fields) >= 7:
        n, e, d, _, p, q = (int.from_bytes(f, "big") for f in fields[1:7])
        public = rsa.RSAPublicNumbers(e, n)
        values = rsa.RSAPrivateNumbers(
            p, q, d, rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q), public
        )
        return values.private_key()
    return None
