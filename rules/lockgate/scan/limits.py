"""What one scan may spend, and how deep it looks.

Rules enforced here:

1. Every bound of the engine is a named field with its unit; a bound that is reached becomes
   a gap in the report, never a silent stop.
2. A profile selects searches; what it leaves out is visible in ``engine.searches``.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from lockgate.scan.words import Word


class Profile(Word):
    """How much work a scan does."""

    FAST = "fast", "Key formats by rule only; a memory dump ends incomplete."
    STANDARD = "standard", "Formats, and numbers in memory at the alignment of their addresses."
    DEEP = "deep", "As standard, at every byte alignment and inside long runs of random words."


class OutOfTimeError(Exception):
    """The time allowed for the scan, or for a part of it, ran out."""


def require_time(deadline: float) -> None:
    """Stop here when the deadline (of the monotonic clock) has passed.

    Raises:
        OutOfTimeError: it has.
    """
    if time.monotonic() > deadline:
        raise OutOfTimeError


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one scan of one top-level file."""

    #: Nesting of containers; the top-level file is depth 0.
    depth: int = 8
    #: Text encodings inside one another (base64 of base64 of a key: two).
    encodings: int = 4
    #: Bytes that all members together may unpack to.
    unpacked_bytes: int = 64 << 30
    #: Unpacked bytes per packed byte, of a member and of the whole file with all that is nested
    #: in it, judged once ``ratio_free_bytes`` have been unpacked.
    ratio: int = 2000
    #: Unpacked bytes that are never judged by the ratio.
    ratio_free_bytes: int = 256 << 20
    #: Bytes of holes that all members together may have; they are shown as zeros.
    hole_bytes: int = 1 << 40
    #: Members of all containers together.
    members: int = 200_000
    #: Bytes of a packed member that are held at most, to be read at any offset.
    held_bytes: int = 32 << 20
    #: Bytes that held members, and the windows of decompressors, take together at one time.
    memory_bytes: int = 80 << 20
    #: Memory regions of one dump.
    regions: int = 1 << 18
    #: Page frames of one image of physical memory (1 TiB of 4 KiB pages), a bit each.
    frames: int = 1 << 28
    #: Arrays of one Java heap dump that are shown moved, eight bytes each.
    heap_arrays: int = 1 << 22
    #: Wall-clock seconds for the whole scan.
    seconds: float = 3600.0
    #: Seconds that all candidates of rules together may take to be proven, and again the
    #: seconds that numbers found in memory may take to be put together.
    prove_seconds: float = 120.0
    #: Seconds that runs of random-looking words may take to be tried as RSA numbers.
    number_seconds: float = 90.0
    #: Places of one key that are listed.
    places: int = 1000
    #: Places of all keys together that are listed.
    sightings: int = 50_000
    #: Seconds one run of the rule engine over one block may take.
    rule_seconds: int = 20
    #: BIGNUM structures followed in one dump.
    bignums: int = 60_000
    #: Numbers kept as possible RSA moduli.
    moduli: int = 8192
    #: Windows of memory from which a public key is derived.
    seeds: int = 500_000
    #: The same of 384 and of 521 bits, and of the 448-bit curves, which take longer.
    long_seeds: int = 100_000
    slow_seeds: int = 20_000
    #: Possible key pairs that the second walk makes sure of.
    suspects: int = 20_000
    #: Candidates that wait for a public half seen elsewhere.
    publics: int = 20_000
    #: Places at which an AES schedule is expanded and compared with what stands there.
    schedules: int = 100_000
    #: Structures that may be the state of a random generator.
    generators: int = 10_000
    #: Pairs of a shielded OpenSSH key and its pre-key that are noted, and of those tried where
    #: no address leads from one to the other.
    shielded: int = 2048
    #: Windows with the anchor of a registered secret whose fingerprint is computed.
    secret_windows: int = 50_000_000
