"""Prepared datasets, and readers of the raw data they are made from."""

from candgen.datasets.dataset import Dataset, open_dataset
from candgen.datasets.source import Source

__all__ = ["Dataset", "Source", "open_dataset"]
