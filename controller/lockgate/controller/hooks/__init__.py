"""Response hooks: what runs when a key has leaked."""
