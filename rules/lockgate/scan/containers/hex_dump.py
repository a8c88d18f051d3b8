"""Dumps of bytes as text: xxd, hexdump, od, Intel HEX, Motorola S-records.

Rules enforced here:

1. The form is told by the first lines, which must agree with each other and with what they
   dump: addresses go on where the line before ended.
2. A line ``*`` stands for repeats of the line before up to the next address (hexdump(1),
   od(1)); what it stands for is bounded like all that is unpacked.
3. Lines of another form end nothing; they are told as a gap, once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from lockgate.scan.containers.container import Broken, Member, Problem
from lockgate.scan.containers.lines import Lines
from lockgate.scan.report import GapReason
from lockgate.scan.source import READ_BYTES, Stream

#: Lines at the front that must be of the form.
_FIRST_LINES = 3
_OUTPUT_BYTES = 1 << 16
_Line = tuple[int, bytes]


@dataclass(frozen=True, slots=True)
class _Form:
    """One way to write bytes down: its pattern, base of addresses, and how to read the bytes."""

    pattern: re.Pattern[bytes]
    base: int
    decode: Callable[[bytes], bytes]

    def parse(self, line: bytes) -> _Line | None:
        """Address and bytes of a line, None if it is of another form."""
        found = self.pattern.match(line)
        if found is None:
            return None
        return int(found[1], self.base), self.decode(found[2])


def _pairs(text: bytes) -> bytes:
    return bytes.fromhex(text.decode("ascii").replace("-", " "))


def _words(text: bytes) -> bytes:
    """Words of 16 bits as a little-endian machine shows them."""
    return b"".join(bytes.fromhex(word.decode("ascii"))[::-1] for word in text.split())


#: How od(1) and hexdump(1) write addresses, and what od writes behind the bytes on demand.
_ADDRESSES = ((8, rb"([0-7]{7,22})"), (16, rb"([0-9a-f]{6,16})"), (10, rb"([0-9]{7,20})"))
_TEXT = rb"(?: +>.*<)?\s*$"
_FORMS = (
    _Form(re.compile(rb"([0-9a-f]{8,16}): ((?:[0-9a-f]{2,32} )+)", re.IGNORECASE), 16, _pairs),
    _Form(
        re.compile(rb"([0-9a-f]{6,16})  ((?:[0-9a-f]{2} {1,2}){1,32}) *\|", re.IGNORECASE),
        16,
        _pairs,
    ),
    *(
        _Form(re.compile(digits + rb"((?: [0-9a-f]{2}){1,32})" + _TEXT), base, _pairs)
        for base, digits in _ADDRESSES
    ),
    *(
        _Form(re.compile(digits + rb"((?: [0-9a-f]{4}){1,16})" + _TEXT), base, _words)
        for base, digits in _ADDRESSES
    ),
)


@dataclass(frozen=True, slots=True)
class HexDump:
    """Text with an address and bytes on every line."""

    name: str = "hex dump"

    def recognises(self, head: bytes) -> bool:
        """First lines of one form, each starting where the one before ended."""
        return _form_of(head) is not None

    def members(self, stream: Stream) -> Iterator[Member | Problem]:
        """The bytes that are written down."""
        form = _form_of(stream.peek(4096))
        if form is None:
            return
        dump = _Dump(form, Lines(stream))
        yield Member(self.name.encode(), dump.chunks())
        if dump.others:
            detail = f"{dump.others} lines of another form in a hex dump"
            yield Problem(GapReason.DAMAGED, detail)


def _form_of(head: bytes) -> _Form | None:
    lines = head.splitlines(keepends=True)[: _FIRST_LINES + 1]
    if len(lines) > _FIRST_LINES or not head.endswith(b"\n"):
        lines = lines[:-1]
    return next((form for form in _FORMS if lines and _agree(form, lines)), None)


def _agree(form: _Form, lines: list[bytes]) -> bool:
    """Whether the lines are of the form and go on from one to the next."""
    following: int | None = None
    seen = 0
    for line in lines:
        if line.strip() == b"*":
            break
        try:
            parsed = form.parse(line)
        except ValueError:
            return False
        if parsed is None:
            return seen > 0 and _is_end(form, line, following)
        if following is not None and parsed[0] != following:
            return False
        following = parsed[0] + len(parsed[1])
        seen += 1
    return seen > 0


def _is_end(form: _Form, line: bytes, following: int | None) -> bool:
    """Whether the line is the bare address at the end of a dump."""
    try:
        return following is not None and int(line.strip(), form.base) <= following
    except ValueError:
        return False


@dataclass(slots=True)
class _Dump:
    """Goes through the lines of one dump."""

    form: _Form
    lines: Lines
    others: int = 0
    _last: bytes = field(default=b"", repr=False)
    _repeats: bool = False
    _at: int | None = None

    def chunks(self) -> Iterator[bytes]:
        """The bytes written down, repeats among them."""
        held: list[bytes] = []
        size = 0
        for line in self.lines:
            for piece in self._bytes_of(line):
                held.append(piece)
                size += len(piece)
                if size >= _OUTPUT_BYTES:
                    yield b"".join(held)
                    held, size = [], 0
        yield b"".join(held)

    def _bytes_of(self, line: bytes) -> Iterator[bytes]:
        text = line.strip()
        if text == b"*":
            self._repeats = True
            return
        try:
            parsed = self.form.parse(line) or (int(text, self.form.base), b"")
        except ValueError:
            self.others += bool(text)
            return
        place, content = parsed
        if self._repeats and self._at is not None and self._last and place > self._at:
            yield from _repeated(self._last, place - self._at)
        self._repeats = False
        if content:
            self._last, self._at = content, place + len(content)
            yield content


def _repeated(line: bytes, count: int) -> Iterator[bytes]:
    block = line * max(1, READ_BYTES // len(line))
    while count > 0:
        yield block[:count]
        count -= len(block)


@dataclass(frozen=True, slots=True)
class HexRecords:
    """Intel HEX (revision A) or Motorola S-records: data records with a checksum each."""

    name: str = "hex records"

    def recognises(self, head: bytes) -> bool:
        """A first record whose checksum is right."""
        first = head.split(b"\n", 1)[0].strip()
        return _record(first) is not None

    def members(self, stream: Stream) -> Iterator[Member | Problem]:
        """The data of all records, one after another."""
        yield Member(self.name.encode(), _records(Lines(stream)))


def _records(lines: Lines) -> Iterator[bytes]:
    for line in lines:
        text = line.strip()
        data = _record(text)
        if data is None and text:
            raise Broken(GapReason.DAMAGED, "hex record without a right checksum")
        if data:
            yield data


def _record(text: bytes) -> bytes | None:
    """The data of one record, empty if it carries none, None if it is broken."""
    try:
        if text[:1] == b":":
            return _intel(bytes.fromhex(text[1:].decode("ascii")))
        if text[:1] == b"S" and text[1:2].isdigit():
            return _motorola(int(text[1:2]), bytes.fromhex(text[2:].decode("ascii")))
    except ValueError:
        pass
    return None


def _intel(raw: bytes) -> bytes | None:
    if len(raw) < 5 or len(raw) != raw[0] + 5 or sum(raw) % 256:
        return None
    return raw[4:-1] if raw[3] == 0 else b""


def _motorola(kind: int, raw: bytes) -> bytes | None:
    if len(raw) < 3 or raw[0] != len(raw) - 1 or sum(raw) % 256 != 255:
        return None
    return raw[kind + 2 : -1] if 1 <= kind <= 3 else b""
