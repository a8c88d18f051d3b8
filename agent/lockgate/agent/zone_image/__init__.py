"""Folders that are made filesystems of their own, so that they can be guarded as zones."""
