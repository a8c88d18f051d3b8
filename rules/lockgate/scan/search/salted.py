"""Registered symmetric secrets, as they are and as text, at every byte of a file.

Rules enforced here:

1. The registry gives only an anchor and a fingerprint (``lockgate.scan.secrets``): the anchor
   says where to look, the fingerprint of the whole is the proof.
2. A secret is looked for as bytes, and in hexadecimal and base64 text of it, also amid a longer
   text and in either alphabet of RFC 4648.
3. Without such secrets in the registry this search does nothing and costs nothing.
4. Windows whose fingerprint is computed are bounded; the bound is told.
"""

from __future__ import annotations

import binascii
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np

from lockgate.scan.evidence import Evidence
from lockgate.scan.findings import Sighting
from lockgate.scan.gaps import Gaps
from lockgate.scan.protected import ProtectedKey
from lockgate.scan.report import FindingClass, FindingKind, GapReason, Proof
from lockgate.scan.search.anchored import Tags, member_runs
from lockgate.scan.search.search import BlockView, Context
from lockgate.scan.secrets import TAG_BYTES, fingerprint, tag_of

FORMAT = "registered-secret"

#: Zeros before a busy span in which a secret may begin.
_LEAD_BYTES = 16
_HEX_RUN = re.compile(rb"(?:[0-9a-fA-F]{2}){16,}[0-9a-fA-F]?")
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"
_MEMBERS = np.isin(np.arange(256), list(_BASE64)).astype(np.uint8)
_ONE_ALPHABET = bytes.maketrans(b"-_", b"+/")
_Found = tuple[int, int, str, ProtectedKey]


@dataclass(frozen=True, slots=True)
class _Text:
    """Text at ``at`` that stands for some bytes, ``chars`` characters for ``octets`` of them."""

    form: str
    decoded: bytes = field(repr=False)
    at: int
    chars: int
    octets: int

    def span(self, offset: int, length: int) -> tuple[int, int]:
        """Where the text of some of the bytes stands, and how long it is."""
        chars, octets = self.chars, self.octets
        return self.at + offset * chars // octets, -(-length * chars // octets)


def _texts(data: bytes, runs: Iterable[tuple[int, int]]) -> Iterator[_Text]:
    """What runs of letters and digits stand for; a secret may begin amid a quantum of each."""
    for first, last in runs:
        text = data[first:last]
        for run in _HEX_RUN.finditer(text):
            for skip in range(2):
                digits = run[0][skip : len(run[0]) - (len(run[0]) - skip) % 2]
                at = first + run.start() + skip
                yield _Text(f"{FORMAT}-hex", binascii.unhexlify(digits), at, 2, 1)
        plain = text.translate(_ONE_ALPHABET)
        for skip in range(4):
            decoded = binascii.a2b_base64(plain[skip:] + b"A" * ((skip - len(plain)) % 4))
            yield _Text(f"{FORMAT}-base64", decoded, first + skip, 4, 3)


class SaltedSearch:
    """The secrets of the registry in all members of one file."""

    names: tuple[str, ...] = (FORMAT,)
    reads_text = True

    def __init__(self, context: Context) -> None:
        self._by_tag: dict[int, list[tuple[int, ProtectedKey]]] = {}
        for key in context.registry.secrets:
            assert key.anchor is not None
            self._by_tag.setdefault(key.anchor.tag, []).append((key.anchor.length, key))
        self._tags = Tags.of(self._by_tag) if self._by_tag else None
        lengths = [length for keys in self._by_tag.values() for length, _ in keys]
        #: Characters of the shortest secret in base64.
        self._shortest = -(-min(lengths, default=0) * 4 // 3)
        self._longest = 2 * max(lengths, default=0)
        self._left = context.limits.secret_windows
        self._sightings: list[Sighting] = []
        self.gaps = Gaps()

    def survey(self, view: BlockView) -> None:
        """Look at every byte of one block."""
        if self._tags is None:
            return
        block = view.block
        for start, stop in block.spans():
            begin = max(block.start, start - _LEAD_BYTES)
            for at, length, form, key in self._all_forms(self._tags, view, begin, stop):
                evidence = _evidence(key, form, block.offset + at, length)
                self._sightings.append(Sighting(evidence, view.place))

    def prepare(self) -> bool:
        """Nothing is left for a second walk."""
        return False

    def fetch(self, _view: BlockView) -> None:
        """Never asked for by this search."""

    def conclude(self, _deadline: float) -> Iterator[Sighting]:
        """Everything that was found."""
        yield from self._sightings

    def _all_forms(self, tags: Tags, view: BlockView, begin: int, stop: int) -> Iterator[_Found]:
        """Secrets that begin in ``data[begin:stop]``: place, length, form, and which."""
        data = view.block.data
        for at, length, key in self._proven(tags, view, data, begin, stop):
            yield at, length, FORMAT, key
        end = min(len(data), stop + self._longest)
        texts = list(_texts(data, member_runs(data, begin, end, _MEMBERS, self._shortest)))
        starts = list(accumulate((len(text.decoded) for text in texts), initial=0))
        joined = b"".join(text.decoded for text in texts)
        for at, length, key in self._proven(tags, view, joined, 0, len(joined)):
            index = bisect_right(starts, at) - 1
            place, size = texts[index].span(at - starts[index], length)
            if place < stop:
                yield place, size, texts[index].form, key

    def _proven(
        self, tags: Tags, view: BlockView, data: bytes, begin: int, stop: int
    ) -> Iterator[tuple[int, int, ProtectedKey]]:
        """Place and length of secrets that begin in ``data[begin:stop]``, by fingerprint."""
        for at in tags.positions(data, begin, stop):
            if self._left <= 0:
                detail = "more windows with a registered anchor than the limit"
                self.gaps.add(view.gap(GapReason.BUDGET, detail))
                return
            self._left -= 1
            for length, key in self._by_tag[tag_of(data[at : at + TAG_BYTES])]:
                if fingerprint(data[at : at + length]) == key.fingerprint:
                    yield at, length, key


def _evidence(key: ProtectedKey, form: str, offset: int, length: int) -> Evidence:
    return Evidence(
        format=form,
        kind=FindingKind.SYMMETRIC_KEY,
        class_=FindingClass.PRIVATE,
        algorithm=key.algorithm,
        bits=key.bits,
        fingerprint=key.fingerprint,
        offset=offset,
        length=length,
        proof=(Proof.SALTED_FINGERPRINT,),
    )
