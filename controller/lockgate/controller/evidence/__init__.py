"""What the ledger can answer: searches, where a key has been, who was enforcing when."""
