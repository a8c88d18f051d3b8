"""ChaCha20 states in memory: the constants, a key, a counter and a nonce (RFC 8439, section 2.3).

What makes a key ``session``: it stands in a cipher's state, which serves one connection or file.
What makes it ``rng``: the state is that of GnuTLS's generator, which takes the time of its last
reseeding as nonce and keeps that time beside the state (``struct prng_ctx_st``: the state, a
count of bytes, a fork id, ``time_t last_reseed``).

Rules enforced here:

1. Constants alone are no state: every cipher library holds them. The 32 bytes behind them must
   look drawn at random, and the counter be that of less than a gigabyte, as no table is.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from lockgate.scan.evidence import Evidence
from lockgate.scan.findings import Sighting
from lockgate.scan.gaps import Gaps
from lockgate.scan.report import FindingClass, FindingKind, GapReason, Proof
from lockgate.scan.search.search import BlockView, Context
from lockgate.scan.secrets import fingerprint, is_strong

FORMAT = "chacha20-state"

_CONSTANTS = b"expand 32-byte k"
_STATE_BYTES = 64
#: Blocks of 64 bytes in a gigabyte.
_MOST_BLOCKS = 1 << 24
#: Of 32 random bytes 30 are distinct; fewer than this are text or tables.
_DISTINCT = 22
#: The years 2004 to 2242, in seconds.
_LEAST_TIME, _MOST_TIME = 1 << 30, 1 << 33


class ChachaSearch:
    """ChaCha20 states in all members of one file."""

    names: tuple[str, ...] = (FORMAT,)
    #: Programs take words for keys, and the constants are found at no cost.
    reads_text = True

    def __init__(self, context: Context) -> None:
        self._most = context.limits.sightings
        self._sightings: list[Sighting] = []
        self.gaps = Gaps()

    def survey(self, view: BlockView) -> None:
        """Look for the constants in one block."""
        block = view.block
        for start, stop in block.spans():
            at = block.data.find(_CONSTANTS, start, stop + len(_CONSTANTS) - 1)
            while at >= 0:
                self._judge(view, at)
                at = block.data.find(_CONSTANTS, at + 1, stop + len(_CONSTANTS) - 1)

    def prepare(self) -> bool:
        """Nothing is left for a second walk."""
        return False

    def fetch(self, _view: BlockView) -> None:
        """Never asked for by this search."""

    def conclude(self, _deadline: float) -> Iterator[Sighting]:
        """Every state that was seen."""
        yield from self._sightings

    def _judge(self, view: BlockView, at: int) -> None:
        evidence = judge(view.block.data[at : at + _STATE_BYTES + 24], view.block.offset + at)
        if evidence is None:
            return
        if len(self._sightings) >= self._most:
            self.gaps.add(view.gap(GapReason.BUDGET, "more ChaCha20 states than the limit"))
        else:
            self._sightings.append(Sighting(evidence, view.place))


def judge(data: bytes, offset: int) -> Evidence | None:
    """The state at the start of ``data``, if it is one; ``offset`` is where that stands."""
    if len(data) < _STATE_BYTES:
        return None
    key = data[16:48]
    blocks, nonce = struct.unpack_from("<I4xQ", data, 48)
    if blocks >= _MOST_BLOCKS or len(set(key)) < _DISTINCT or not is_strong(key):
        return None
    is_generator = data[80:88] == data[56:64] and _LEAST_TIME <= nonce < _MOST_TIME
    proof = (Proof.GENERATOR_STATE,) if is_generator else (Proof.SECRET_IN_STRUCTURE,)
    return Evidence(
        format=FORMAT,
        kind=FindingKind.SYMMETRIC_KEY,
        class_=FindingClass.RNG if is_generator else FindingClass.SESSION,
        algorithm="ChaCha20",
        bits=256,
        fingerprint=fingerprint(key),
        offset=offset,
        length=_STATE_BYTES,
        proof=proof,
    )
