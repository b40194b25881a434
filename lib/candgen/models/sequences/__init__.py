"""Next-item prediction: attention and recurrence over ordered histories."""

from candgen.models.sequences.generators import GRU4Rec, SASRec, SequenceGenerator

__all__ = ["GRU4Rec", "SASRec", "SequenceGenerator"]
