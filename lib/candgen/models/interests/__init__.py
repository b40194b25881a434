"""Several query vectors a user: one search for each of a user's interests."""

from candgen.models.interests.generator import MultiInterest

__all__ = ["MultiInterest"]
