"""``lockgate agent``: what people type; each group of commands in a file of its own."""
