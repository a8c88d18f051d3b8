"""Text as programs, logs and people write it: character widths, escapes, lines.

Rules enforced here:

1. Every step keeps positions: what is decoded leads back to its place in the member.
2. Work is bounded by the window; nothing here knows what a key is.
"""
