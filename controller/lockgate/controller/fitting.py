"""As much of a list as one answer takes.

Rules enforced here: an answer stays well below the bound of a message, whatever hosts have written
into the rows that it shows; the first element is always in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from google.protobuf.message import Message

from lockgate.wire.channels import MESSAGE_LIMIT

M = TypeVar("M", bound=Message)

#: Bytes of one list; an answer may hold other things beside it.
_LIST_BYTES = MESSAGE_LIMIT // 2


def fitting(messages: Iterable[M]) -> list[M]:
    """The first of ``messages``, as many as fit; the rest is not even made."""
    part: list[M] = []
    size = 0
    for message in messages:
        size += message.ByteSize()
        if part and size > _LIST_BYTES:
            break
        part.append(message)
    return part
