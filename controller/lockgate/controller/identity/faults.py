"""What goes wrong with keys and certificates."""

from __future__ import annotations


class IdentityError(Exception):
    """A key or certificate is not what it should be; the text names it and quotes nothing."""
