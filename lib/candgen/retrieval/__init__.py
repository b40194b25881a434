"""From scores or vectors to ranked candidates."""

from candgen.retrieval.recommend import recommend
from candgen.retrieval.timing import queries_per_second
from candgen.retrieval.topk import NO_ITEM, TopK, top_k, top_k_of_scores

__all__ = ["NO_ITEM", "TopK", "queries_per_second", "recommend", "top_k", "top_k_of_scores"]
