"""Passwords of people: kept as argon2id (RFC 9106), tried slowly.

Rules enforced here:

1. A name that nobody has takes as long as a wrong password.
2. After five failures in a row a name, known or not, waits a minute for each further trial; a
   success forgets them. A trial counts as failed from its beginning, so that many at once are no
   more trials than one after the other. Only so many names are remembered.
3. Passwords are never in an exception text: hashing and comparing raise nothing that holds one.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_FREE_FAILURES = 5
_WAIT_S = 60.0
_NAMES = 4096
#: A hash takes 64 MiB: two at once are enough to be wrong at.
AT_ONCE = 2
_hasher = PasswordHasher()

LEAST_CHARACTERS = 12


def hashed(password: str) -> str:
    """What is kept of a password: PHC text with a fresh salt.

    Raises:
        ValueError: it is too short.
    """
    if len(password) < LEAST_CHARACTERS:
        raise ValueError(f"a password has at least {LEAST_CHARACTERS} characters")
    return _hasher.hash(password)


def is_right(password: str, kept: str | None) -> bool:
    """Whether ``password`` is the one of ``kept``; as slow when nothing is kept."""
    try:
        _hasher.verify(kept or _nobodys(), password)
    except (VerificationError, InvalidHashError):
        return False
    return kept is not None


@lru_cache(maxsize=1)
def _nobodys() -> str:
    return _hasher.hash("the password of nobody")


class Trials:
    """How often each name was tried with a wrong password. ``seconds`` is monotonic time."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, name: str, seconds: float) -> bool:
        """Whether a trial is due; if so, it has failed until :meth:`succeeded` is called."""
        with self._lock:
            count, last = self._failures.get(name, (0, 0.0))
            if count >= _FREE_FAILURES and seconds < last + _WAIT_S:
                return False
            self._failures[name] = (count + 1, seconds)
            self._failures.move_to_end(name)
            if len(self._failures) > _NAMES:
                self._failures.popitem(last=False)
            return True

    def succeeded(self, name: str) -> None:
        """The password was right."""
        with self._lock:
            self._failures.pop(name, None)
