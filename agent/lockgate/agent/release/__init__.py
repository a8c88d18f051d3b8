"""Copies of files that cannot be read where they are, handed out once they are judged."""
