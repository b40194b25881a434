"""Searches for settings inside a sweep: trials on validation, then one run of what was chosen."""
