"""Guesses about a person's own tables: format, columns, times and split, from what they hold."""

from candgen.datasets.guessing.guess import Guess, guess

__all__ = ["Guess", "guess"]
