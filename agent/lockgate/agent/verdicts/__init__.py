"""Decisions: who makes them, where they are written down, and how they are explained."""
