"""Pools of several generators in a report: what a ranker makes of them."""
