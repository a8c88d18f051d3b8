"""How long evidence is kept, what holds it longer, and its lawful erasure."""
