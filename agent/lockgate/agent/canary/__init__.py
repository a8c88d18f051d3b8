"""Canaries: fresh keys that must not come out, tried again and again the way others would."""
