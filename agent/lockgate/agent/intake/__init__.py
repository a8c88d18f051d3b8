"""Core dumps are born in quarantine: taken from the kernel as a stream, sealed, and judged."""
