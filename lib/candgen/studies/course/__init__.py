"""The course's printed results, reproduced: the rating model and the two-branch network."""
