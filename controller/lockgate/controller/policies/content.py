"""The content of a policy as people send it and the store keeps it: its files in one JSON text.

Rules enforced here:

1. A content is canonical, so that two people who look at it look at the same bytes.
2. Reading it is total: whatever is not a policy is a :class:`PolicyError`, and its size is known
   to be small before it is parsed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from lockgate.policy.document import Source
from lockgate.policy.load import load_texts
from lockgate.policy.model import Fault, Policy, PolicyError
from lockgate.wire.bounds.policy import MOST_DOCUMENTS, POLICY_BYTES

_FORM = Fault("content", message='not a list of {"name", "text"}')


def write(sources: Sequence[Source]) -> bytes:
    """The content with these files, without the folders they stand in."""
    files = [{"name": Path(source.name).name, "text": source.text} for source in sources]
    return json.dumps(files, sort_keys=True, ensure_ascii=False).encode()


def read(content: bytes) -> tuple[Source, ...]:
    """The files of a content.

    Raises:
        PolicyError: it is none, or too large.
    """
    if len(content) > POLICY_BYTES:
        raise PolicyError(Fault("content", message=f"larger than {POLICY_BYTES} bytes"))
    try:
        files = json.loads(content)
        sources = tuple(Source(file["name"], file["text"]) for file in files)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise PolicyError(_FORM) from None
    words = [word for source in sources for word in (source.name, source.text)]
    if not all(isinstance(word, str) for word in words) or not 0 < len(sources) <= MOST_DOCUMENTS:
        raise PolicyError(_FORM)
    return sources


@lru_cache(maxsize=16)
def policy_of(content: bytes) -> Policy:
    """The policy of a content, checked.

    Raises:
        PolicyError: every fault of it.
    """
    return load_texts(read(content))
