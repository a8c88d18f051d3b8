"""The hosts of an installation, for people."""
