"""git packs and bundles (gitformat-pack(5), gitformat-bundle(5)): every object, deltas resolved.

Rules enforced here:

1. Objects are read in the order in which they stand. A delta is put on its base, which is
   looked up by its offset or by its name among the objects before and behind it.
2. Bases are held in memory, so objects of a chain are bounded in size, chains in depth, and all
   work on deltas in bytes; beyond each the object is a gap. A base that the pack does not hold
   (a thin pack), and a circle of deltas, is a gap too.
"""

from __future__ import annotations

import hashlib
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lockgate.scan.containers.container import Broken, Member, Problem, require_access
from lockgate.scan.containers.git_delta import apply_delta
from lockgate.scan.containers.inflate import ZLIB_WINDOW, Inflate
from lockgate.scan.containers.packed import unpack_one
from lockgate.scan.report import GapReason
from lockgate.scan.source import RandomAccess, Stream

_KINDS = {1: b"commit", 2: b"tree", 3: b"blob", 4: b"tag"}
_OFFSET_DELTA, _NAME_DELTA = 6, 7
_BUNDLE = b"# v"
#: Longest object that is put together from deltas, and bases that are kept (bytes).
_OBJECT_BYTES = 16 << 20
_KEPT_BYTES = 24 << 20
#: Longest chain of deltas; git writes 4095 at most, and 50 if not told otherwise.
_CHAIN = 4096
#: Objects whose names are kept, to be the bases of deltas.
_NAMES = 200_000
#: Unpacked bytes of bases and deltas for one byte of the pack, and those that are free.
_WORK_RATIO, _WORK_FREE = 200, 64 << 20
_LONGEST_BUNDLE_HEAD = 1 << 20


@dataclass(frozen=True, slots=True)
class _Header:
    """The head of an object: its kind, unpacked size, base, and where its zlib data starts."""

    kind: int
    size: int
    base: int | bytes | None
    content: int


@dataclass(frozen=True, slots=True)
class GitPack:
    """A pack, or a bundle with a pack in it."""

    name: str = "git pack"

    def recognises(self, head: bytes) -> bool:
        """The magic of a pack or the first line of a bundle."""
        is_pack = head.startswith(b"PACK\0\0\0") and head[7:8] in {b"\2", b"\3"}
        return is_pack or head[:16] in {b"# v2 git bundle\n", b"# v3 git bundle\n"}

    def members(self, stream: Stream) -> Iterator[Member | Problem]:
        """Every object."""
        access = require_access(stream, self.name)
        if stream.peek(3) == _BUNDLE:
            head = stream.peek(_LONGEST_BUNDLE_HEAD)
            stream.skip(head.find(b"\n\nPACK") + 2)
        start = stream.read(12)
        if len(start) < 12 or not start.startswith(b"PACK"):
            yield Problem(GapReason.DAMAGED, "git pack without its head", None, 0)
            return
        bases = _Bases(access)
        for _ in range(int.from_bytes(start[8:12], "big")):
            place = stream.position
            header = _read_header(lambda at: stream.peek(at + 1)[at:], place)
            if header is None:
                reason = GapReason.DAMAGED if stream.peek(1) else GapReason.TRUNCATED
                yield Problem(reason, "git object is broken or missing", None, place)
                return
            stream.skip(header.content - place)
            yield from _object(stream, bases, header, place)
        stream.skip(20)


def _object(
    stream: Stream, bases: _Bases, header: _Header, place: int
) -> Iterator[Member | Problem]:
    name = b"object at %d" % place
    packed = unpack_one(stream, Inflate(ZLIB_WINDOW), zlib.error)
    if header.base is None:
        yield Member(name, bases.named(packed, header, place))
        return
    for _ in packed:
        pass  # passes the delta; the object is put together from the place of its bases
    try:
        content = bases.read(place)[1]
    except Broken as broken:
        yield Problem(broken.reason, broken.detail, name, place, stream.position - place)
    else:
        yield Member(name, iter((content,)))


class _Bases:
    """Reads objects at any place, keeps the last ones, and knows some by name."""

    def __init__(self, access: RandomAccess) -> None:
        self._access = access
        self._kept: OrderedDict[int, tuple[int, bytes]] = OrderedDict()
        self._kept_bytes = 0
        self._places: dict[bytes, int] = {}
        self._work_left = max(_WORK_FREE, _WORK_RATIO * access.size)

    def named(self, chunks: Iterator[bytes], header: _Header, place: int) -> Iterator[bytes]:
        """``chunks`` of a whole object, whose name and place are remembered at its end."""
        digest = hashlib.sha1(b"%s %d\0" % (_KINDS[header.kind], header.size))  # noqa: S324
        for chunk in chunks:
            digest.update(chunk)
            yield chunk
        if len(self._places) < _NAMES:
            self._places[digest.digest()] = place

    def read(self, place: int) -> tuple[int, bytes]:
        """Kind and content of the object at ``place``.

        Raises:
            Broken: its chain is broken, too long, or too large.
        """
        chain: list[tuple[int, _Header]] = []
        at = place
        while at not in self._kept:
            header = self._header(at)
            chain.append((at, header))
            if header.base is None:
                break
            if len(chain) > _CHAIN:
                raise Broken(GapReason.DAMAGED, "git deltas in a circle, or too many on one base")
            at = self._place_of(header.base)
        kind, content = self._kept.get(at, (0, b""))
        for at, header in reversed(chain):
            unpacked = self._inflate(header)
            if header.base is None:
                kind, content = header.kind, unpacked
            else:
                content = apply_delta(content, unpacked, _OBJECT_BYTES)
                self._spend(len(content))
            self._keep(at, kind, content)
        return kind, content

    def _header(self, place: int) -> _Header:
        raw = self._access.read_at(place, 64)
        header = _read_header(lambda at: raw[at : at + 1], place)
        if header is None:
            raise Broken(GapReason.DAMAGED, "base of a git delta is none")
        return header

    def _place_of(self, base: int | bytes) -> int:
        place = self._places.get(base) if isinstance(base, bytes) else base
        if place is None:
            raise Broken(GapReason.UNREADABLE, "base of a git delta is not in the pack")
        return place

    def _inflate(self, header: _Header) -> bytes:
        if header.size > _OBJECT_BYTES:
            raise Broken(GapReason.SIZE_LIMIT, "git delta or its base is too large")
        self._spend(header.size)
        packed = self._access.read_at(header.content, header.size + header.size // 500 + 128)
        try:
            unpacked = zlib.decompressobj().decompress(packed, header.size + 1)
        except zlib.error:
            raise Broken(GapReason.DAMAGED, "base of a git delta is damaged") from None
        if len(unpacked) != header.size:
            raise Broken(GapReason.DAMAGED, "git object has another length than it says")
        return unpacked

    def _spend(self, count: int) -> None:
        self._work_left -= count + 64
        if self._work_left < 0:
            raise Broken(GapReason.SIZE_LIMIT, "git deltas unpack to more than the limit")

    def _keep(self, place: int, kind: int, content: bytes) -> None:
        if len(self._places) < _NAMES and kind in _KINDS:
            name = hashlib.sha1(b"%s %d\0" % (_KINDS[kind], len(content)) + content)  # noqa: S324
            self._places[name.digest()] = place
        self._kept_bytes += len(content)
        self._kept[place] = kind, content
        while self._kept_bytes > _KEPT_BYTES and len(self._kept) > 1:
            _, (_, dropped) = self._kept.popitem(last=False)
            self._kept_bytes -= len(dropped)


def _read_header(byte_at: Callable[[int], bytes], place: int) -> _Header | None:
    """The head of the object at ``place``, whose bytes ``byte_at`` gives one by one."""
    first = byte_at(0)
    if not first:
        return None
    kind, size, shift, at = first[0] >> 4 & 7, first[0] & 15, 4, 1
    last = first[0]
    while last & 0x80:
        if shift > 60 or not (following := byte_at(at)):
            return None
        last = following[0]
        size |= (last & 0x7F) << shift
        shift, at = shift + 7, at + 1
    base: int | bytes | None = None
    if kind == _NAME_DELTA:
        base = b"".join(byte_at(at + i) for i in range(20))
        at += 20
    elif kind == _OFFSET_DELTA:
        back, at = _read_back(byte_at, at)
        if not 0 < back <= place:
            return None
        base = place - back
    elif kind not in _KINDS:
        return None
    return _Header(kind, size, base, place + at)


def _read_back(byte_at: Callable[[int], bytes], at: int) -> tuple[int, int]:
    """The distance to a base, and where its field ends; 0 when it is broken."""
    value = -1
    for index in range(at, at + 10):
        byte = byte_at(index)
        if not byte:
            break
        value = (value + 1) << 7 | byte[0] & 0x7F
        if byte[0] < 0x80:
            return value, index + 1
    return 0, at
