"""The lesser modes, which watch and never hold an open."""
