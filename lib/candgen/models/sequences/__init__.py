"""What comes next: attention and recurrence over histories in their order."""

from candgen.models.sequences.generators import GRU4Rec, SASRec, SequenceGenerator

__all__ = ["GRU4Rec", "SASRec", "SequenceGenerator"]
