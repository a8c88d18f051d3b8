"""One entry of a registry: what is refused, and how a foreign parser's objection is told.

Rules enforced here: those of ``lockgate.scan.registry``. Exceptions of the parsers below are
never chained, because they may quote the content.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from lockgate.scan.protected import ProtectedKey, UnsupportedKeyError, protected_key
from lockgate.scan.prove import der

_PRIVATE = re.compile(
    rb"PRIVATE KEY|openssh-key-v1\0|PuTTY-User-Key-File|AGE-SECRET-KEY"
    rb'|"(?:d|p|q|dp|dq|qi)"\s*:\s*"[\w-]{20}'  # members of a JSON Web Key
)


class RegistryError(ValueError):
    """A registry file that cannot be used; the message quotes nothing secret."""


def refuse_private(content: bytes, source: str) -> None:
    """Refuse what holds a private key in any form that can be told.

    Raises:
        RegistryError: it does; the message names ``source`` and quotes nothing.
    """
    if _PRIVATE.search(content) or _is_private_der(content):
        raise RegistryError(f"{source}: holds a private key; register the public half instead")


def _is_private_der(content: bytes) -> bool:
    """PKCS#8, PKCS#1 and SEC 1 begin with a small version; certificates and SPKI do not."""
    outer = der.read(content, 0)
    if outer is None or outer.tag != der.SEQUENCE:
        return False
    first = der.read(content, outer.body, outer.end)
    return first is not None and first.tag == der.INTEGER and first.end - first.body == 1


def read_key(name: str, load: Callable[[], object], where: str) -> ProtectedKey:
    """One entry; whatever the parser objects to becomes one plain error.

    Raises:
        RegistryError: the key cannot be read, or no prover knows its algorithm.
    """
    try:
        return protected_key(name, load())
    except Exception as error:  # noqa: BLE001 - parsers of foreign formats raise anything
        reason = str(error) if isinstance(error, UnsupportedKeyError) else "not readable"
        raise RegistryError(f"{where}: the public key is {reason}") from None
