"""Encryption of what leaves a store, to age recipients (https://age-encryption.org/v1).

Rules enforced here:

1. There is at least one recipient, and each is checked before a byte is read.
2. An error never repeats what was given as a recipient: it may be a secret key by mistake.
3. Memory is bounded whatever the size: age seals in chunks of 64 KiB.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import pyrage

_SECRET = "AGE-SECRET-KEY-"  # noqa: S105 - the public beginning of all such keys


class SealingError(Exception):
    """It could not be encrypted; the text says why."""


def check_recipients(recipients: Sequence[str]) -> list[pyrage.x25519.Recipient]:
    """The recipients, each an X25519 public key ``age1...``.

    Raises:
        SealingError: there is none, or one is no such key.
    """
    if not recipients:
        raise SealingError("name at least one recipient: an age public key (age1...)")
    return [_recipient(number, text) for number, text in enumerate(recipients, start=1)]


def encrypt_to(recipients: Sequence[str], source: int, target: int) -> None:
    """Encrypt all of the file ``source`` into ``target``; both are open descriptors.

    Raises:
        SealingError: see :func:`check_recipients`; or encrypting failed.
        OSError: the source could not be read, or the target not written.
    """
    keys = check_recipients(recipients)
    os.lseek(source, 0, os.SEEK_SET)
    with (
        open(source, "rb", closefd=False) as reader,
        open(target, "wb", closefd=False) as writer,
    ):
        try:
            pyrage.encrypt_io(reader, writer, keys)
        except pyrage.EncryptError as error:
            raise SealingError(f"encrypting failed: {error}") from None


def _recipient(number: int, text: str) -> pyrage.x25519.Recipient:
    text = text.strip()
    try:
        return pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError:
        pass
    if text.upper().startswith(_SECRET):
        raise SealingError(
            f"recipient {number} is a secret key; give the public one (age1...), and replace the "
            "secret one: it has been on a command line or in a settings file"
        )
    raise SealingError(
        f"recipient {number} is not an age public key: age1 and 58 characters, as "
        "`age-keygen -y` shows it"
    )
