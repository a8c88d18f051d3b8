"""The Merkle tree of RFC 6962, section 2.1: appending, roots and proofs, pure.

Rules enforced here:

1. A leaf is hashed with the prefix 0x00 and a node with 0x01, so that neither can pass for
   the other.
2. Appending needs only the frontier: the roots of the complete subtrees, largest first, one
   for each 1 bit of the size.
3. Only complete subtrees are ever stored; ``Node`` is (level, index), level 0 are the leaves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

Node = tuple[int, int]
#: Gives the hash of a complete subtree.
Lookup = Callable[[Node], bytes]


def leaf_hash(entry: bytes) -> bytes:
    """The hash of a leaf."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def append(size: int, frontier: list[bytes], leaf: bytes) -> list[tuple[Node, bytes]]:
    """Put ``leaf`` behind ``size`` others; the inner nodes that became complete.

    ``frontier`` is changed in place.
    """
    completed = []
    frontier.append(leaf)
    level, index = 0, size
    while index & 1:
        right = frontier.pop()
        level, index = level + 1, index >> 1
        frontier.append(node_hash(frontier.pop(), right))
        completed.append(((level, index), frontier[-1]))
    return completed


def frontier_nodes(size: int) -> list[Node]:
    """The complete subtrees of a tree of ``size`` leaves, largest first."""
    levels = [level for level in range(size.bit_length()) if size >> level & 1]
    return [(level, (size >> level) - 1) for level in reversed(levels)]


def root(frontier: Sequence[bytes]) -> bytes:
    """The root over a frontier; SHA-256 of nothing for the empty tree."""
    if not frontier:
        return hashlib.sha256(b"").digest()
    result = frontier[-1]
    for left in reversed(frontier[:-1]):
        result = node_hash(left, result)
    return result


def _split(size: int) -> int:
    """The largest power of two below ``size``."""
    return 1 << (size - 1).bit_length() - 1


def range_hash(lookup: Lookup, start: int, end: int) -> bytes:
    """The root over the leaves ``start`` to ``end``; ``start`` is where such a range may begin."""
    size = end - start
    if size & (size - 1) == 0:
        level = size.bit_length() - 1
        return lookup((level, start >> level))
    middle = start + _split(size)
    return node_hash(range_hash(lookup, start, middle), range_hash(lookup, middle, end))


def inclusion_proof(lookup: Lookup, index: int, size: int) -> list[bytes]:
    """PATH(index, D[size]) of RFC 6962, section 2.1.1.

    Raises:
        IndexError: there is no such leaf.
    """
    if not 0 <= index < size:
        raise IndexError(f"no entry {index} in a ledger of {size}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(range_hash(lookup, middle, end))
            end = middle
        else:
            path.append(range_hash(lookup, start, middle))
            start = middle
    return path[::-1]


def consistency_proof(lookup: Lookup, old: int, new: int) -> list[bytes]:
    """PROOF(old, D[new]) of RFC 6962, section 2.1.2.

    Raises:
        IndexError: not 0 < old <= new.
    """
    if not 0 < old <= new:
        raise IndexError(f"no consistency proof from {old} to {new}")
    path: list[bytes] = []
    start, end, whole = 0, new, True
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(range_hash(lookup, middle, end))
            end = middle
        else:
            path.append(range_hash(lookup, start, middle))
            start, whole = middle, False
    return path[::-1] if whole else [range_hash(lookup, start, end), *path[::-1]]


def inclusion_holds(leaf: bytes, index: int, size: int, path: Sequence[bytes], top: bytes) -> bool:
    """Whether ``path`` proves ``leaf`` at ``index`` under ``top`` (RFC 9162, section 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    node, last, result = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if node & 1 or node == last:
            result = node_hash(sibling, result)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            result = node_hash(result, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and result == top


def consistency_holds(
    old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]
) -> bool:
    """Whether ``path`` proves that the old tree begins the new (RFC 9162, section 2.1.4.2)."""
    if not 0 < old <= new:
        return False
    if old == new:
        return not path and old_root == new_root
    if not path:
        return False
    nodes = [old_root, *path] if old & (old - 1) == 0 else list(path)
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    first = second = nodes[0]
    for sibling in nodes[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root
