"""Post-quantum keys inside PrivateKeyInfo (RFC 9881, RFC 9909, RFC 9935).

Rules enforced here:

1. The private key is a seed, an expanded key, or both; with both, the seed decides.
2. Any bytes behind the prefix would parse: a seed is proven by position only where a key was
   announced, else by its public half, inside the structure or elsewhere.
"""

from __future__ import annotations

from lockgate.formats.rule_format import CUT_BEFORE_SECRET, looks_random, private_key
from lockgate.scan.evidence import Judgement, NeedsPublic, Proven, Refuted, Undecided
from lockgate.scan.prove import der, pqc
from lockgate.scan.report import Proof

_SEED = 0x80
_TELLING = 8


def judge(
    name: str, algorithm: pqc.Algorithm, inner: bytes, length: int, *, anchored: bool
) -> Judgement:
    """Settle the privateKey of ``algorithm``; ``length`` is that of the whole structure."""
    seed, expanded = _parts(algorithm, inner)
    secret = seed or expanded
    if len(secret) < _TELLING:
        return CUT_BEFORE_SECRET
    if not looks_random(secret[: algorithm.seed or len(secret)]):
        return Refuted("the private key is not random")
    left = Undecided("a post-quantum private key that is cut, or has no prover", 0, length)
    derived = _derived(algorithm, seed, expanded)
    if derived is None:
        return left

    def proven(proof: Proof) -> Proven:
        public = pqc.fingerprint(algorithm, derived.public)
        proofs = (*derived.proof, proof) if proof not in derived.proof else derived.proof
        return Proven((private_key(name, algorithm.name, algorithm.bits, public, length, proofs),))

    if anchored or derived.proof:
        return proven(Proof.SEED_IN_STRUCTURE if seed else Proof.SECRET_IN_STRUCTURE)
    return NeedsPublic(proven(Proof.PQC_RELATION).evidence[0], (derived.public,), left)


def _derived(algorithm: pqc.Algorithm, seed: bytes, expanded: bytes) -> pqc.Derived | None:
    """What the seed derives; proven when the expanded key beside it shows the same."""
    told = pqc.from_expanded(algorithm, expanded)
    made = pqc.from_seed(algorithm, seed) if seed else None
    if made is None:
        return told
    agrees = pqc.shares_public(algorithm, expanded, made.public)
    return pqc.Derived(made.public, (Proof.PQC_RELATION,)) if agrees else made


def _parts(algorithm: pqc.Algorithm, inner: bytes) -> tuple[bytes, bytes]:
    """Seed and expanded key, each empty when it is not there."""
    if not algorithm.seed:
        return b"", inner
    outer = der.read(inner, 0)
    if outer is None:
        return b"", inner
    if outer.tag == _SEED:
        return der.content(inner, outer), b""
    if outer.tag == der.SEQUENCE:
        both = [der.content(inner, part) for part in der.children(inner, outer)]
        return both[0] if both else b"", both[1] if len(both) > 1 else b""
    return b"", der.content(inner, outer)
