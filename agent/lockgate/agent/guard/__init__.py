"""Holding opens: the kernel's permission events, who they are, and what is done about each."""
