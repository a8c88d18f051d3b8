"""Searches for keys that no marker announces: numbers as a live process holds them."""
