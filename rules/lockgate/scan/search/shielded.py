"""OpenSSH's shielded keys: sealed in memory by a pre-key that lies in the same memory.

``struct sshkey`` of OpenSSH 8.1 and later ends in ``{u8 *shielded_private; size_t length; u8
*shield_prekey; size_t 16384}``. The key is sealed by AES-256-CTR; key and counter are the first
48 bytes of the SHA-512 of the pre-key (OpenSSH, sshkey.c). Since OpenSSH 9.9 the pre-key is
left out of core files by the kernel; images of a whole machine keep it.

Rules enforced here:

1. What was unsealed is proven by its own numbers, as a key file is; nonsense is nothing.
2. Where no memory map leads from pointers to bytes (a core without its header, an image of
   physical memory), the pre-key is looked for by the header that glibc's malloc gives its block,
   which also tells where the heap stands, as far as that is in one piece.
3. Pairs of pre-key and sealed key are bounded; the bound is told.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice, product

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from lockgate.scan.blocks import Block
from lockgate.scan.evidence import Evidence
from lockgate.scan.findings import Sighting
from lockgate.scan.gaps import Gaps
from lockgate.scan.limits import require_time
from lockgate.scan.memory import MemoryMap
from lockgate.scan.prove.ssh_fields import Fields
from lockgate.scan.prove.ssh_keys import PRIVATE
from lockgate.scan.report import FindingClass, FindingKind, Gap, GapReason, Proof
from lockgate.scan.search.search import Aligned, BlockView, Context
from lockgate.scan.walk import Place

FORMAT = "openssh-shielded"

_PREKEY_BYTES = 16384
#: malloc writes the size of a block before it, its own 16 bytes included, and three flags.
_NO_FLAGS = np.uint64(~7 & (1 << 64) - 1)
#: The sealed key of RSA-16384 has some 9 KiB.
_MOST_SEALED = 16384
_CIPHER_BLOCK, _KEY_BYTES = 16, 32
#: So many random bytes hold every value.
_BYTE_VALUES = 256
_HEAP_BYTES = 1 << 32
_TOO_MANY = "more possible shielded keys than the limit"
_LEAST_ADDRESS, _MOST_ADDRESS = 1 << 16, 1 << 47


@dataclass(frozen=True, slots=True, order=True)
class _Pair:
    """Where the sealed key (``length`` bytes) and its pre-key begin: addresses or offsets."""

    sealed: int
    length: int
    prekey: int


@dataclass(slots=True)
class _Wanted:
    """What was seen in one member, and what the second walk reads there."""

    place: Place
    pairs: set[_Pair] = field(default_factory=set)
    #: Pairs of addresses that no memory map leads from, and blocks that may hold a pre-key.
    unmapped: set[_Pair] = field(default_factory=set)
    blocks: set[int] = field(default_factory=set)
    digests: dict[int, bytes] = field(default_factory=dict, repr=False)
    sealed: dict[_Pair, bytes] = field(default_factory=dict, repr=False)
    has_more: bool = False

    def note_block(self, offset: int, most: int) -> None:
        """Remember what may be a pre-key; that there were more matters only beside a pair."""
        if len(self.blocks) < most:
            self.blocks.add(offset)
        else:
            self.has_more = True


class ShieldedSearch:
    """Shielded keys over all members of one file."""

    names: tuple[str, ...] = (FORMAT,)
    reads_text = False

    def __init__(self, context: Context) -> None:
        self._most = self._left = context.limits.shielded
        self._wanted: dict[int, _Wanted] = {}
        self.gaps = Gaps()

    def survey(self, view: BlockView) -> None:
        """First walk: note structures, and blocks of a pre-key's size."""
        memory = view.place.memory
        for aligned in view.aligned:
            for pair in filter(lambda _: self._take(view), _structures(aligned)):
                mapped = None if memory is None else _mapped(pair, memory)
                if mapped is not None:
                    self._of(view.place).pairs.add(mapped)
                elif _in_one_heap(pair):
                    self._of(view.place).unmapped.add(pair)
            for offset in _blocks(aligned):
                self._of(view.place).note_block(offset, self._most)

    def prepare(self) -> bool:
        """Pair what has no addresses; returns whether there is anything to read."""
        for wanted in self._wanted.values():
            self._guess(wanted)
        return any(wanted.pairs for wanted in self._wanted.values())

    def fetch(self, view: BlockView) -> None:
        """Second walk: read sealed keys, and the digests of their pre-keys."""
        wanted = self._wanted.get(view.place.number)
        if wanted is not None:
            for pair in wanted.pairs:
                _read(wanted, pair, view.block)

    def conclude(self, deadline: float) -> Iterator[Sighting]:
        """Unseal and prove."""
        for wanted in self._wanted.values():
            for pair, sealed in wanted.sealed.items():
                require_time(deadline)
                digest = wanted.digests.get(pair.prekey)
                if digest is not None:
                    yield from _proven(pair, unsealed(sealed, digest), wanted.place)

    def _of(self, place: Place) -> _Wanted:
        return self._wanted.setdefault(place.number, _Wanted(place))

    def _take(self, view: BlockView) -> bool:
        """Whether one more structure may be noted."""
        self._left -= 1
        if self._left < 0:
            self.gaps.add(view.gap(GapReason.BUDGET, _TOO_MANY))
        return self._left >= 0

    def _guess(self, wanted: _Wanted) -> None:
        """Every block may be the pre-key of every pair; both stand in the same heap."""
        guesses = product(sorted(wanted.unmapped), sorted(wanted.blocks))
        for pair, block in islice(guesses, self._most):
            by = block - pair.prekey
            if pair.sealed + by >= 0:
                wanted.pairs.add(_Pair(pair.sealed + by, pair.length, block))
        is_cut = len(wanted.unmapped) * len(wanted.blocks) > self._most
        if wanted.unmapped and (is_cut or wanted.has_more):
            self.gaps.add(Gap(GapReason.BUDGET, wanted.place.member, detail=_TOO_MANY))


def _structures(aligned: Aligned) -> Iterator[_Pair]:
    """The end of every ``struct sshkey`` with a shielded key, as pairs of addresses."""
    words = aligned.words
    ends = aligned.owned(np.flatnonzero(words == _PREKEY_BYTES))
    for end in ends[ends >= 3].tolist():
        sealed, length, prekey = words[end - 3 : end].tolist()
        is_sealed = _CIPHER_BLOCK <= length <= _MOST_SEALED and not length % _CIPHER_BLOCK
        if is_sealed and all(_LEAST_ADDRESS < at < _MOST_ADDRESS for at in (sealed, prekey)):
            yield _Pair(sealed, length, prekey)


def _blocks(aligned: Aligned) -> Iterator[int]:
    """Offsets of blocks of malloc that have the size of a pre-key."""
    words = aligned.words
    headers = np.flatnonzero(words & _NO_FLAGS == _PREKEY_BYTES + 16)
    for header in aligned.owned(headers).tolist():
        yield aligned.offset(header + 1)


def _in_one_heap(pair: _Pair) -> bool:
    """Whether both addresses may be those of blocks of one heap of glibc."""
    is_aligned = not (pair.sealed | pair.prekey) % 16
    return is_aligned and abs(pair.sealed - pair.prekey) < _HEAP_BYTES


def _mapped(pair: _Pair, memory: MemoryMap) -> _Pair | None:
    """The pair's offsets, None when either part is not in the dump."""
    sealed = memory.offset_of(pair.sealed, pair.length)
    prekey = memory.offset_of(pair.prekey, _PREKEY_BYTES)
    return None if sealed is None or prekey is None else _Pair(sealed, pair.length, prekey)


def _read(wanted: _Wanted, pair: _Pair, block: Block) -> None:
    """Take the parts that begin in the block's own part."""
    prekey = block.own_bytes(pair.prekey, _PREKEY_BYTES)
    if prekey is not None and len(set(prekey)) == _BYTE_VALUES:
        wanted.digests[pair.prekey] = hashlib.sha512(prekey).digest()
    sealed = block.own_bytes(pair.sealed, pair.length)
    if sealed is not None:
        wanted.sealed[pair] = sealed


def unsealed(sealed: bytes, digest: bytes) -> bytes:
    """What a shielded key holds, if ``digest`` is that of its pre-key."""
    cipher = Cipher(AES(digest[:_KEY_BYTES]), CTR(digest[_KEY_BYTES : _KEY_BYTES + _CIPHER_BLOCK]))
    return cipher.decryptor().update(sealed)


def _proven(pair: _Pair, content: bytes, place: Place) -> Iterator[Sighting]:
    """The key in what was unsealed: its type, and its private fields (PROTOCOL.key)."""
    fields = Fields(content)
    read = PRIVATE.get(fields.string())
    shown = None if read is None else read(fields)
    if shown is None:
        return
    yield Sighting(
        Evidence(
            format=FORMAT,
            kind=FindingKind.PRIVATE_KEY,
            class_=FindingClass.PRIVATE,
            algorithm=shown.algorithm,
            bits=shown.bits,
            fingerprint=shown.fingerprint,
            offset=pair.sealed,
            length=pair.length,
            proof=(Proof.SHIELDED, *shown.proof),
        ),
        place,
    )
