"""The searches of a sweep: their trials, what was chosen, and what it cost to choose it."""
