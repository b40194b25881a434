"""Generators that learn from which items came close together in one history."""
