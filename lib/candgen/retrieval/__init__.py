"""From scores or vectors to ranked candidates."""

from candgen.retrieval import effort, filtered_search, filters, indexes, invented_vectors, pools
from candgen.retrieval.recommend import recommend
from candgen.retrieval.related import related_items
from candgen.retrieval.subsets import top_k_among
from candgen.retrieval.timing import queries_per_second, speeds
from candgen.retrieval.topk import NO_ITEM, TopK, top_k

__all__ = [
    "NO_ITEM",
    "TopK",
    "effort",
    "filtered_search",
    "filters",
    "indexes",
    "invented_vectors",
    "pools",
    "queries_per_second",
    "recommend",
    "related_items",
    "speeds",
    "top_k",
    "top_k_among",
]
