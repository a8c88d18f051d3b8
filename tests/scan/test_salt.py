"""The site salt is read whole or not at all, and never shown."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from lockgate.formats.scanner import standard_scanner
from lockgate.scan.salt import EPHEMERAL, Salt, SaltError, read_salt


def test_a_report_names_the_salt_by_its_identity(tmp_path: Path) -> None:
    """Two salts have two identities, and a scanner with one says which."""
    (tmp_path / "salt").write_bytes(secrets.token_bytes(32))
    salt = read_salt(tmp_path / "salt")
    assert standard_scanner(salt=salt).info.salt == salt.identity
    assert salt.identity != Salt(secrets.token_bytes(32)).identity
    assert standard_scanner().info.salt == EPHEMERAL


def test_a_salt_is_not_shown(tmp_path: Path) -> None:
    """Neither repr nor identity holds bytes of the salt."""
    secret = secrets.token_hex(16).encode()
    salt = Salt(secret)
    assert secret.decode() not in repr(salt) + salt.identity


@pytest.mark.parametrize("size", [0, 31, 4097])
def test_a_file_of_another_size_is_refused(tmp_path: Path, size: int) -> None:
    """An empty, short or huge file is an error, not a weak salt."""
    (tmp_path / "salt").write_bytes(bytes(size))
    with pytest.raises(SaltError):
        read_salt(tmp_path / "salt")
