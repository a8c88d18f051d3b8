"""Mail: single messages (RFC 5322, RFC 2045 to 2047) and mailboxes (RFC 4155).

Rules enforced here:

1. A body that is encoded (base64 or quoted-printable) is a member of its decoded bytes, however
   deep its part is nested; every other body is text that the raw scan reads.
2. Parts are told by their boundary lines, wherever they stand; a part ends at any of them. A
   boundary that never comes last is a gap: the mail was cut.
3. A line that is no base64 ends the decoding of nothing: other characters are passed over, as
   RFC 2045 section 6.8 asks.
"""

from __future__ import annotations

import binascii
import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from lockgate.scan.containers.container import Member, Problem
from lockgate.scan.containers.lines import Lines
from lockgate.scan.report import GapReason
from lockgate.scan.source import Stream

#: Header fields of which one must be among the first two of a message.
_FIRST_FIELDS = re.compile(
    rb"(?:From |(?:[!-9;-~]+:[^\n]*\n(?:[ \t][^\n]*\n)*)?"
    rb"(?:Return-Path|Received|Delivered-To|From|To|Subject|Date|Message-ID|MIME-Version|"
    rb"X-[A-Za-z-]+|Reply-To|Cc|Content-Type):)",
    re.IGNORECASE,
)
_NEEDED_FIELD = re.compile(
    rb"(?:^|\n)(?:MIME-Version|Content-Transfer-Encoding|Content-Type|Message-ID|Received|Subject):",
    re.IGNORECASE,
)
_BOUNDARY = re.compile(rb'boundary\s*=\s*(?:"([^"]{1,256})"|([^\s;"]{1,256}))', re.IGNORECASE)
_FILE_NAME = re.compile(
    rb'(?:file)?name\*?\s*=\s*(?:"([^"]{1,256})"|([^\s;"]{1,256}))', re.IGNORECASE
)
_ENCODING = re.compile(rb"content-transfer-encoding:\s*([a-z0-9-]+)", re.IGNORECASE)
_MESSAGE = re.compile(rb"content-type:\s*message/(?:rfc822|global)", re.IGNORECASE)
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")
#: Longest header of one part that is kept (bytes); boundaries that are known at one time.
_HEADER_BYTES = 1 << 16
_BOUNDARIES = 256
_DECODED_BYTES = 1 << 16


@dataclass(slots=True)
class _Message:
    """What is known on the way through a mailbox."""

    lines: Lines
    is_mailbox: bool
    boundaries: dict[bytes, None] = field(default_factory=dict)
    parts: int = 0

    def ends_part(self, line: bytes) -> bool:
        """Whether the part that is being read ends before this line."""
        if self.is_mailbox and line.startswith(b"From "):
            return True
        return line.startswith(b"--") and _named(line, self.boundaries)


@dataclass(frozen=True, slots=True)
class Mail:
    """A message or a mailbox."""

    name: str = "mail"

    def recognises(self, head: bytes) -> bool:
        """Header fields that only mail has, first of all."""
        return _FIRST_FIELDS.match(head) is not None and _NEEDED_FIELD.search(head) is not None

    def members(self, stream: Stream) -> Iterator[Member | Problem]:
        """The decoded body of every encoded part, in order."""
        is_mailbox = stream.peek(5) == b"From "
        message = _Message(Lines(stream), is_mailbox)
        while message.lines.peek():
            header = _read_header(message)
            for first, second in _BOUNDARY.findall(header):
                message.boundaries[first or second] = None
            while len(message.boundaries) > _BOUNDARIES:
                del message.boundaries[next(iter(message.boundaries))]
            if _MESSAGE.search(header):
                continue
            message.parts += 1
            encoding = _ENCODING.search(header)
            kind = b"" if encoding is None else encoding[1].lower()
            if kind in {b"base64", b"quoted-printable"}:
                decode = _from_base64 if kind == b"base64" else _from_quoted
                yield Member(_name(header, message.parts), decode(_body(message)))
            for _ in _body(message):
                pass
        if message.boundaries:
            yield Problem(GapReason.TRUNCATED, "mail without its last boundary")


def _read_header(message: _Message) -> bytes:
    """The header at hand, behind the boundary or "From " line that may stand before it."""
    first = message.lines.peek()
    if message.is_mailbox and first.startswith(b"From "):
        message.boundaries.clear()
        message.lines.take()
    elif first.startswith(b"--"):
        message.boundaries.pop(first[2:].rstrip()[:-2], None)
        message.lines.take()
    kept: list[bytes] = []
    size = 0
    for line in message.lines:
        if not line.strip():
            break
        size += len(line)
        if size <= _HEADER_BYTES:
            kept.append(line)
    return b"".join(kept)


def _body(message: _Message) -> Iterator[bytes]:
    """The lines of the part at hand."""
    while (line := message.lines.peek()) and not message.ends_part(line):
        yield message.lines.take()


def _named(line: bytes, boundaries: dict[bytes, None]) -> bool:
    label = line[2:].rstrip()
    return label in boundaries or (label.endswith(b"--") and label[:-2] in boundaries)


def _name(header: bytes, number: int) -> bytes:
    found = _FILE_NAME.search(header)
    return b"part %d" % number if found is None else found[1] or found[2]


def _from_base64(lines: Iterator[bytes]) -> Iterator[bytes]:
    held = b""
    for line in lines:
        held += _NOT_BASE64.sub(b"", line)
        if len(held) >= _DECODED_BYTES:
            whole = len(held) // 4 * 4
            yield binascii.a2b_base64(held[:whole])
            held = held[whole:]
    # One digit alone stands for no whole byte.
    held = held[:-1] if len(held) % 4 == 1 else held
    if held:
        yield binascii.a2b_base64(held + b"=" * (-len(held) % 4))


def _from_quoted(lines: Iterator[bytes]) -> Iterator[bytes]:
    for line in lines:
        yield quopri.decodestring(line)
