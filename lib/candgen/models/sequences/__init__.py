"""Generators that read ordered histories: attention, masked attention and recurrence."""

from candgen.models.sequences.generators import BERT4Rec, GRU4Rec, SASRec, SequenceGenerator

__all__ = ["BERT4Rec", "GRU4Rec", "SASRec", "SequenceGenerator"]
