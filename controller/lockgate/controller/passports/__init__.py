"""Passports after they were given: revoking them, and the signed list of what is revoked."""
