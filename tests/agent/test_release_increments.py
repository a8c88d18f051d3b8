"""Of a growing file only whole lines leave, and never the first part of what may be a key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.agent.release.increments import CONTEXT, LARGEST, releasable, window_of

BEGIN = b"-----BEGIN PRIVATE KEY-----\n"
END = b"-----END PRIVATE KEY-----\n"
LINES = st.lists(st.sampled_from([b"line\n", BEGIN, END, b"x", b"MIIB\n"]), max_size=12)


@pytest.mark.parametrize(
    ("content", "leaves"),
    [
        (b"", b""),
        (b"a\nb\n", b"a\nb\n"),
        (b"a\nhalf", b"a\n"),
        (b"half", b""),
        (b"a\n" + BEGIN + b"MII\n", b"a\n"),
        (b"a\nx " + BEGIN, b"a\n"),
        (b"a\n" + BEGIN + b"MII\n" + END, b"a\n" + BEGIN + b"MII\n" + END),
        (BEGIN + END + b"b\n" + BEGIN, BEGIN + END + b"b\n"),
        (b"a\nPuTTY-User-Key-File-3: x\n", b"a\n"),
        (BEGIN + b"y" * CONTEXT + b"\n", BEGIN + b"y" * CONTEXT + b"\n"),
        (b"z" * (CONTEXT + 1), b"z" * (CONTEXT + 1)),
    ],
)
def test_a_key_leaves_whole_or_not_at_all(content: bytes, leaves: bytes) -> None:
    """The cut is at a line's end, before any key that has not ended."""
    assert content[: releasable(content)] == leaves


def test_the_last_line_of_a_file_that_ended_needs_no_end() -> None:
    """After a rotation nothing follows; a key that has begun is kept all the same."""
    assert releasable(b"a\nhalf", last=True) == 6
    assert releasable(b"a\n" + BEGIN + b"MII", last=True) == 2


@given(LINES)
def test_what_leaves_has_no_open_key(parts: list[bytes]) -> None:
    """Whatever is written, no prefix ends between the beginning and the end of a key."""
    content = b"".join(parts)
    left = content[: releasable(content)]
    assert left.endswith(b"\n") or not left
    assert left.rfind(b"-----BEGIN ") <= left.rfind(b"-----END ")


@given(st.integers(0, 1 << 40), st.integers(0, 1 << 40), st.integers(0, 1 << 40))
def test_a_window_covers_what_may_leave(first: int, settled: int, size: int) -> None:
    """All that may leave is inside the window, behind its context, and settled."""
    size = max(size, first)
    window = window_of(first, settled, size)
    assert window.start <= window.first <= window.limit
    assert window.limit <= max(first, min(settled, window.end))
    assert window.end - window.start <= LARGEST + CONTEXT
    assert window.start == max(0, first - CONTEXT)
    if window.limit > first:
        assert window.end == size or window.end - window.limit >= CONTEXT
