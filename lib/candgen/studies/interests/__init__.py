"""Arithmetic of the notebook on several vectors a user."""
