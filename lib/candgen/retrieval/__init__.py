"""From scores or vectors to ranked candidates."""

from candgen.retrieval.recommend import top_items
from candgen.retrieval.related import related_items
from candgen.retrieval.subsets import top_k_among
from candgen.retrieval.timing import queries_per_second, speeds
from candgen.retrieval.topk import NO_ITEM, TopK, top_k

__all__ = [
    "NO_ITEM",
    "TopK",
    "queries_per_second",
    "related_items",
    "speeds",
    "top_items",
    "top_k",
    "top_k_among",
]
