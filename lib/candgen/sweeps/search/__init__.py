"""Searches for settings inside a sweep: trials on validation, then one run of what was chosen."""

SEARCH = "search.json"
"""File in a sweep's folder that describes its searches."""
