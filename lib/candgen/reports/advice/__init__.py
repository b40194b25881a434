"""Advice on the generators to try first, from a finished sweep and the shape of a dataset."""
