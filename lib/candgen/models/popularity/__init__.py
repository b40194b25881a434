"""Baselines: random, popularity, and popularity within groups of users."""
