"""The ledger: an append-only Merkle tree of everything the controller decided and was told."""

from lockgate.controller.ledger.ledger import Ledger

__all__ = ["Ledger"]
