"""Holds that wait for people, and releases that people decide on."""
