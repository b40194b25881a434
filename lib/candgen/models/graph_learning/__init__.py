"""Vectors learned from the graph of users and items: UltraGCN and LightGCN."""

from candgen.models.graph_learning.lightgcn import LightGCN
from candgen.models.graph_learning.ultragcn import UltraGCN

__all__ = ["LightGCN", "UltraGCN"]
