"""Generators that score items by their features."""
