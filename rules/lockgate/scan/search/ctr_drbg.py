"""States of CTR_DRBG (NIST SP 800-90A), so that their AES keys are not taken for sessions'.

OpenSSL, on 64-bit machines: ``PROV_DRBG_CTR`` of 3.x and ``RAND_DRBG_CTR`` of 1.1.1::

    EVP_CIPHER_CTX *ctx_ecb, *ctx_ctr, *ctx_df;  EVP_CIPHER *cipher_ecb, *cipher_ctr;
    size_t keylen;  [int use_df;]  unsigned char K[32], V[16], ...

BoringSSL's ``CTR_DRBG_STATE``, in every gRPC and Chromium process::

    AES_KEY ks;  block128_f block;  ctr128_f ctr;  uint8_t counter[16];  uint64_t reseed_counter;

Rules enforced here:

1. What is proof for OpenSSL: the three contexts lie in the dump's own memory (without a memory
   map, they look like addresses), the length is that of an AES key, ``use_df`` is 0 or 1, and **K
   is the key of a schedule proven in the same file**. A cipher context holds no copy of its key,
   so that of a session does not stand behind five pointers and its own length.
2. What is proof for BoringSSL: the state begins with a proven schedule of AES-256 and its number
   of rounds; two functions of one library follow, a counter that looks random, and a count of
   requests not above 4096, at which it reseeds. A cipher's context has tables or nothing there.
3. Everything less leaves the key what it was.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from lockgate.scan.findings import Sighting
from lockgate.scan.memory import MemoryMap
from lockgate.scan.report import FindingClass, Proof
from lockgate.scan.search.aes_schedule import Schedule
from lockgate.scan.search.limbs import Indexes, Words
from lockgate.scan.search.search import Aligned, BlockView
from lockgate.scan.secrets import is_strong
from lockgate.scan.walk import Place

FORMAT, BORINGSSL_FORMAT = "openssl-ctr-drbg", "boringssl-ctr-drbg"

_POINTERS, _CONTEXTS = 5, 3
_KEY_BYTES = (16, 24, 32)
#: From the length to K: in 1.1.1, and behind ``use_df`` and in 3.
_OLD_SKIP, _SKIP = 8, 12
_LEAST_ADDRESS, _MOST_ADDRESS = 1 << 16, 1 << 47


#: What stands behind the round keys of BoringSSL's state, and its limits.
_TAIL = struct.Struct("<IIQQ16sQ")
_ROUNDS_TOLD, _MOST_REQUESTS, _LIBRARY_BYTES = (13, 14), 4096, 1 << 24
_LEAST_DISTINCT = 12


@dataclass(frozen=True, slots=True)
class _State:
    """Where K stands, or all of the state."""

    format: str
    place: Place
    offset: int
    length: int


class Generators:
    """What may be generators' states in the members of one file."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._states: dict[bytes, _State] = {}
        #: Whether there was no room for all; some key may then be called a session's.
        self.is_full = False

    def note(self, view: BlockView) -> None:
        """Note the possible states in one block."""
        for aligned in view.aligned:
            for index in _likely(aligned.owned(_lengths(aligned.words)), aligned.words):
                if not _leads_into(view.place.memory, aligned.words, index):
                    continue
                if len(self._states) < self._most:
                    self._states.update(_keys(aligned, index))
                else:
                    self.is_full = True

    def note_schedule(self, schedule: Schedule, view: BlockView) -> None:
        """Note the state that a proven schedule is the beginning of."""
        end = schedule.start + schedule.length
        tail = view.block.data[end : end + _TAIL.size]
        if len(schedule.key) == _KEY_BYTES[-1] and _ends_state(tail):
            offset, length = view.block.offset + schedule.start, schedule.length + len(tail)
            self._states[schedule.key] = _State(BORINGSSL_FORMAT, view.place, offset, length)

    def claimed(self, key: bytes, sighting: Sighting) -> Iterator[Sighting]:
        """The sighting of a proven schedule; a generator's, with its state, if it is one."""
        state = self._states.get(key)
        if state is None:
            yield sighting
            return
        proof = (*sighting.evidence.proof, Proof.GENERATOR_STATE)
        evidence = replace(sighting.evidence, class_=FindingClass.RNG, proof=proof)
        yield replace(sighting, evidence=evidence)
        whole = replace(evidence, format=state.format, offset=state.offset, length=state.length)
        yield Sighting(whole, state.place)


def _ends_state(tail: bytes) -> bool:
    """Whether the bytes behind a schedule are the rest of BoringSSL's state."""
    if len(tail) < _TAIL.size:
        return False
    rounds, padding, block, stream, counter, requests = _TAIL.unpack(tail)
    return (
        (rounds in _ROUNDS_TOLD and not padding)
        and all(_LEAST_ADDRESS <= function < _MOST_ADDRESS for function in (block, stream))
        and 0 < abs(block - stream) < _LIBRARY_BYTES
        and len(set(counter)) >= _LEAST_DISTINCT
        and 0 < requests <= _MOST_REQUESTS
    )


def _lengths(words: Words) -> Indexes:
    """Words that are the length of an AES key."""
    return np.flatnonzero((words == 32) | (words == 16) | (words == 24))


def _likely(lengths: Indexes, words: Words) -> list[int]:
    """Those lengths that stand behind five words that look like addresses."""
    right = (lengths >= _POINTERS) & (lengths + 8 < len(words))
    chosen = lengths[right]
    for back in range(1, _POINTERS + 1):
        before = words[chosen - back]
        is_address = (before >= _LEAST_ADDRESS) & (before < _MOST_ADDRESS) & (before % 8 == 0)
        chosen = chosen[is_address]
    return [int(index) for index in chosen]


def _leads_into(memory: MemoryMap | None, words: Words, index: int) -> bool:
    """Whether the contexts lie in the dump, when it tells."""
    if memory is None:
        return True
    first = index - _POINTERS
    contexts = words[first : first + _CONTEXTS].tolist()
    return all(memory.offset_of(address, 8) is not None for address in contexts)


def _keys(aligned: Aligned, index: int) -> Iterator[tuple[bytes, _State]]:
    """K in either layout, where it looks drawn at random."""
    size = int(aligned.words[index])
    content = aligned.words[index + 1 : index + 8].tobytes()
    skips = (_OLD_SKIP, _SKIP) if content[:4] in {bytes(4), b"\1\0\0\0"} else (_OLD_SKIP,)
    for skip in skips:
        key = content[skip - 8 : skip - 8 + size]
        if is_strong(key):
            yield key, _State(FORMAT, aligned.place, aligned.offset(index) + skip, size)
