"""Incidents: all findings of one key, and what people do about it."""
