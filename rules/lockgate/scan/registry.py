"""The registry of protected keys, from files that hold public keys in any usual form.

Rules enforced here:

1. What a file is, its content tells, never its name.
2. A file with a private key in it is refused as a whole, and nothing of it is quoted.
3. An error names the file and the line or key, and for a typo the nearest known key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lockgate.scan.names import escape_name
from lockgate.scan.protected import ProtectedKey
from lockgate.scan.registry_entry import RegistryError
from lockgate.scan.registry_files import read_entries

__all__ = ["ProtectedKey", "Registry", "RegistryError"]

_LARGEST_FILE = 64 << 20


@dataclass(frozen=True, slots=True)
class Registry:
    """The protected keys; the first name given to a fingerprint stays."""

    keys: tuple[ProtectedKey, ...] = ()
    _names: dict[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the names; of two the first stays."""
        names = {key.fingerprint: key.name for key in reversed(self.keys)}
        object.__setattr__(self, "_names", names)

    @classmethod
    def empty(cls) -> Registry:
        """A registry without keys."""
        return cls()

    @classmethod
    def load(cls, paths: Iterable[Path | str]) -> Registry:
        """Read registry files.

        Raises:
            RegistryError: a file cannot be read, is of no known form, or holds a private key.
        """
        return cls.of(key for path in paths for key in read_file(Path(path)))

    @classmethod
    def of(cls, keys: Iterable[ProtectedKey]) -> Registry:
        """A registry of these keys, each fingerprint once."""
        by_fingerprint: dict[str, ProtectedKey] = {}
        for key in keys:
            known = by_fingerprint.get(key.fingerprint)
            if known is None or (key.is_searchable and not known.is_searchable):
                by_fingerprint[key.fingerprint] = key
        return cls(tuple(by_fingerprint.values()))

    def __iter__(self) -> Iterator[ProtectedKey]:
        return iter(self.keys)

    def __len__(self) -> int:
        return len(self.keys)

    def name_of(self, fingerprint: str) -> str | None:
        """The name of a protected key, None when the fingerprint is not registered."""
        return self._names.get(fingerprint)

    @property
    def rsa_moduli(self) -> tuple[tuple[int, int, str], ...]:
        """(n, e, name) of every RSA key whose modulus is known."""
        return tuple((*k.rsa, k.name) for k in self.keys if k.rsa is not None)

    @property
    def secrets(self) -> tuple[ProtectedKey, ...]:
        """The symmetric secrets that can be looked for."""
        return tuple(key for key in self.keys if key.anchor is not None)

    def public_values(self) -> frozenset[bytes]:
        """Points, X coordinates, raw public keys and moduli as they stand in memory."""
        return frozenset(value for key in self.keys for value in key.public_values)


def read_file(path: Path) -> tuple[ProtectedKey, ...]:
    """The keys of one registry file.

    Raises:
        RegistryError: as :meth:`Registry.load`.
    """
    source = escape_name(str(path))
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise RegistryError(f"{source}: larger than any registry file (64 MiB)")
        content = path.read_bytes()
    except OSError as error:
        raise RegistryError(f"{source}: {error.strerror}") from None
    return read_entries(content, source)
