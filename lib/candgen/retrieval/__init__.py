"""From scores or vectors to ranked candidates."""

from candgen.retrieval import filtered, filters, indexes, pools, tradeoff
from candgen.retrieval.recommend import recommend
from candgen.retrieval.subsets import top_k_among
from candgen.retrieval.timing import queries_per_second
from candgen.retrieval.topk import NO_ITEM, TopK, top_k, top_k_of_scores

__all__ = [
    "NO_ITEM",
    "TopK",
    "filtered",
    "filters",
    "indexes",
    "pools",
    "queries_per_second",
    "recommend",
    "top_k",
    "top_k_among",
    "top_k_of_scores",
    "tradeoff",
]
