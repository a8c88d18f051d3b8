"""zip (PKWARE APPNOTE 6.3): local headers in the order in which they stand.

Rules enforced here:

1. Local headers are followed, because they are where the bytes are; the central directory is
   then read, and a member that it names at a place where none was read, or describes in
   another way than the local header does, is a gap.
2. Encrypted members and methods without a reader are gaps.
3. An archive that stands behind other bytes is told by its end record, and read by its
   directory (:class:`ZipBehind`); a member there that is read twice or never is a gap.
4. Where a size follows its content (bit 3) and the content does not say where it ends, the size
   is the directory's; where that cannot be read, the rest is a gap.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import islice

from lockgate.scan.containers.container import Broken, Member, Problem, require_access
from lockgate.scan.containers.packed import (
    Inflater,
    checked,
    unpack_one,
    unpack_sized,
    within,
)
from lockgate.scan.containers.zip_methods import Method, method_of
from lockgate.scan.containers.zip_records import (
    CENTRAL,
    DESCRIPTOR,
    ENCRYPTED,
    END,
    END64,
    EXTRA_DATA,
    LOCAL,
    LOCATOR64,
    TAIL_BYTES,
    UNKNOWN,
    Header,
    central_length,
    ends_in_archive,
    find_directory,
    local_lengths,
    parse_central,
    parse_local,
    read_entries,
)
from lockgate.scan.report import GapReason
from lockgate.scan.source import Stream

__all__ = ["TAIL_BYTES", "Zip", "ZipBehind", "ends_in_archive"]

_STORED = 0
#: Methods 1 to 7, 10 and so on need other readers; AE-x hides the method (APPNOTE 4.4.5).
_AES = 99
#: Entries of one directory that are kept.
_ENTRIES = 200_000
#: A multi-part archive starts with one of these before its first local header (APPNOTE 8.5).
_SPANNED = (b"PK\x07\x08PK\x03\x04", b"PK00PK\x03\x04")


@dataclass(frozen=True, slots=True)
class Zip:
    """A zip archive from its first byte on."""

    name: str = "zip"

    def recognises(self, head: bytes) -> bool:
        """A local header, or the end record of an empty archive, at the start."""
        return head.startswith((LOCAL, END, *_SPANNED))

    def members(self, stream: Stream) -> Iterator[Member | Problem]:
        """Every member with a readable method, in the order of local headers."""
        if stream.peek(8).startswith(_SPANNED):
            stream.skip(4)
        seen: dict[int, Header] = {}
        sizes: dict[int, Header] | None = None
        while stream.peek(4) == LOCAL:
            local = _read_local(stream)
            if local is None:
                detail = "zip header ends early"
                yield Problem(GapReason.TRUNCATED, detail, None, stream.position)
                return
            if len(seen) < _ENTRIES:
                seen[local.place] = local
            if local.size_follows and sizes is None:
                sizes = _sizes(stream)
            readable = yield from _content(stream, local, (sizes or {}).get(local.place))
            if not readable:
                return
        yield from _read_directory(stream, seen)


@dataclass(frozen=True, slots=True)
class ZipBehind:
    """A zip archive behind other bytes, as self-extractors have it."""

    name: str = "zip behind other bytes"

    def recognises(self, head: bytes) -> bool:  # noqa: ARG002 - told by the tail
        """Never by the head: see :func:`ends_in_archive`."""
        return False

    def members(self, stream: Stream) -> Iterator[Member | Problem]:
        """Every member that the directory names, in the order of places."""
        access = require_access(stream, self.name)
        directory = find_directory(access)
        if directory is None:
            yield Problem(GapReason.UNSUPPORTED, f"{self.name}: scanned raw only")
            return
        entries = list(islice(read_entries(access, directory), _ENTRIES + 1))
        if len(entries) > _ENTRIES:
            yield Problem(GapReason.MEMBER_LIMIT, f"more than {_ENTRIES} zip members")
        for entry in sorted(entries, key=lambda e: e.place):
            place = entry.place + directory.shift
            if place < stream.position:
                yield Problem(GapReason.DAMAGED, "zip members overlap", entry.name, place)
                continue
            stream.skip(place - stream.position)
            local = _read_local(stream) if stream.peek(4) == LOCAL else None
            if local is None:
                detail = "zip directory names an unread member"
                yield Problem(GapReason.DAMAGED, detail, entry.name, place)
                continue
            if _contradicts(entry, local):
                detail = "zip directory contradicts the member's header"
                yield Problem(GapReason.DAMAGED, detail, entry.name, place)
            yield from _content(stream, local, entry)
        stream.skip(directory.end - stream.position)


def _sizes(stream: Stream) -> dict[int, Header]:
    """The directory's entries by place, where it can be read beforehand."""
    access = stream.access
    directory = None if access is None else find_directory(access)
    if access is None or directory is None or directory.shift:
        return {}
    return {entry.place: entry for entry in islice(read_entries(access, directory), _ENTRIES)}


def _read_local(stream: Stream) -> Header | None:
    place = stream.position
    fixed = stream.peek(30)
    if len(fixed) < 30:
        return None
    record = stream.read(local_lengths(fixed))
    return parse_local(record, place) if len(record) == local_lengths(fixed) else None


def _content(
    stream: Stream, local: Header, entry: Header | None
) -> Generator[Member | Problem, None, bool]:
    """Give the member at hand; returns whether the next header can be found."""
    start = stream.position
    method = method_of(local.method)
    packed = local.packed
    if local.size_follows:
        packed = -1 if entry is None else entry.packed
    if local.flags & ENCRYPTED or local.method == _AES:
        length = None if packed < 0 else packed
        yield Problem(GapReason.ENCRYPTED, "encrypted zip member", local.name, start, length)
    elif local.method == _STORED and packed >= 0:
        yield Member(local.name, stream.take(packed), stored_at=start, size=packed)
    elif method is not None and packed >= 0:
        chunks = _unpacked(stream, method, packed, local, entry)
        yield Member(local.name, chunks, packed=True)
    elif method is not None and method.ends_itself:
        chunks = unpack_one(stream, method.begin(), method.errors)
        chunks = within(stream, method.window(stream.peek(64)), chunks)
        yield Member(local.name, chunks, packed=True)
        return (yield from _pass_descriptor(stream, local, start))
    else:
        detail = f"zip method {local.method}: scanned raw only"
        yield Problem(GapReason.UNSUPPORTED, detail, local.name, start)
    if packed < 0:
        yield Problem(GapReason.UNSUPPORTED, "zip members behind one of unknown size", None, start)
        return False
    whole = yield from _pass_packed(stream, local, start + packed)
    if not whole or not local.size_follows:
        return whole
    return (yield from _pass_descriptor(stream, local, start))


def _unpacked(
    stream: Stream, method: Method, packed: int, local: Header, entry: Header | None
) -> Iterator[bytes]:
    told = entry if local.size_follows and entry is not None else local
    size = None if method.ends_itself else told.unpacked
    window = method.window(stream.peek(64))
    inflater = method.begin()
    chunks = unpack_sized(stream.take(packed), inflater, method.errors, size)
    return checked(within(stream, window, _to_its_end(chunks, inflater)), told.crc)


def _to_its_end(chunks: Iterator[bytes], inflater: Inflater) -> Iterator[bytes]:
    """``chunks``, behind which no other bytes may stand: nobody would see them."""
    yield from chunks
    if inflater.unused_data:
        raise Broken(GapReason.DAMAGED, "bytes behind the packed data of a zip member")


def _pass_packed(stream: Stream, local: Header, stop: int) -> Generator[Problem, None, bool]:
    stream.skip(stop - stream.position)
    if stream.position < stop:
        missing = stop - stream.position
        yield Problem(
            GapReason.TRUNCATED, "zip member ends early", local.name, stream.position, missing
        )
        return False
    return True


def _pass_descriptor(stream: Stream, local: Header, start: int) -> Generator[Problem, None, bool]:
    """Pass the data descriptor (APPNOTE 4.3.9), whose signature and width may vary."""
    ahead = stream.peek(28)
    for length in (16, 24, 12, 20):
        signed = length in {16, 24}
        if signed == ahead.startswith(DESCRIPTOR) and ahead[length : length + 2] == b"PK":
            stream.skip(length)
            return True
    yield Problem(GapReason.DAMAGED, "zip member without its descriptor", local.name, start)
    return False


def _read_directory(stream: Stream, seen: dict[int, Header]) -> Iterator[Problem]:
    if stream.peek(4) == EXTRA_DATA:
        stream.skip(8 + int.from_bytes(stream.peek(8)[4:8], "little"))
    _pass_signing_block(stream)
    start = stream.position
    while (fixed := stream.peek(46)).startswith(CENTRAL) and len(fixed) == 46:
        record = stream.read(central_length(fixed))
        entry = parse_central(record)
        if entry.place not in seen:
            detail = "zip directory names an unread member"
            yield Problem(GapReason.DAMAGED, detail, entry.name, entry.place)
        elif _contradicts(entry, seen[entry.place]):
            detail = "zip directory contradicts the member's header"
            yield Problem(GapReason.DAMAGED, detail, entry.name, entry.place)
    if not _pass_end(stream):
        yield Problem(GapReason.TRUNCATED, "zip without its end record", None, start)


def _pass_signing_block(stream: Stream) -> None:
    """Pass what stands between the members and the directory, as in a signed Android package."""
    if stream.access is None or stream.peek(4) in {CENTRAL, END}:
        return
    directory = find_directory(stream.access)
    if directory is not None and not directory.shift:
        stream.skip(directory.start - stream.position)


def _contradicts(entry: Header, local: Header) -> bool:
    """Whether a reader that trusts the directory would unpack something else."""
    sized = not local.size_follows and entry.packed != UNKNOWN
    return (
        entry.method != local.method
        or (entry.flags ^ local.flags) & ENCRYPTED != 0
        or (sized and entry.packed != local.packed)
    )


def _pass_end(stream: Stream) -> bool:
    """Pass the end records with their comment (APPNOTE 4.3.14 to 4.3.16)."""
    if stream.peek(4) == END64:
        stream.skip(12 + int.from_bytes(stream.peek(12)[4:12], "little"))
    if stream.peek(4) == LOCATOR64:
        stream.skip(20)
    end = stream.peek(22)
    if len(end) < 22 or not end.startswith(END):
        return False
    stream.skip(22 + int.from_bytes(end[20:22], "little"))
    return True
