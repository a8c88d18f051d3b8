"""Triage: what people say of a key that was found and is not worth an incident."""
