"""A workbench for candidate generation, the first stage of a recommender.

What a person types in a notebook:

    import candgen as cg

    data = cg.dataset(df)
    model = cg.WALS(dim=32).fit(data)
    model.recommend([142], k=10)
    cg.judge(model).plot("recall@20")

`dir(candgen)` lists `dataset`, `judge`, `compare`, `recommend`, `open_cluster` (workers for large
jobs) and the class of every generator.
Importing this package is cheap: each name loads its module when it is first used.
"""

import os
import warnings

from candgen import cache_folder as _cache_folder

__version__ = "0.1.0"

# Threads of one library that wait by spinning keep a core from those of the next, as where faiss
# searches and our compiled code ranks.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
if not os.environ.get(_THREADS := "NUMBA_NUM_THREADS", "1").strip("0 ").isdecimal():
    # numba would fail with a message that names neither the variable nor its value.
    warnings.warn(
        f"{_THREADS}={os.environ.pop(_THREADS)!r} is ignored: expected a number of threads, 1 or "
        "more. All cores are used.",
        stacklevel=1,
    )
_cache_folder.find_folder()

_HOMES = {  # name -> module below this package
    "dataset": "session.any_dataset",
    "judge": "session.judging",
    "compare": "session.judging",
    "recommend": "session.judging",
    "open_cluster": "cluster.workers",
    "Random": "models.popularity.baselines",
    "Popularity": "models.popularity.baselines",
    "RecentPopularity": "models.popularity.recent",
    "GroupPopularity": "models.popularity.group_popularity",
    "Revisit": "models.popularity.revisits",
    "ItemKNN": "models.items.neighbours",
    "UserKNN": "models.items.neighbours",
    "EASE": "models.items.ease",
    "SLIM": "models.items.sparse",
    "SparseEASE": "models.items.sparse",
    "RP3beta": "models.items.sparse",
    "GFCF": "models.graph_filters",
    "BSPM": "models.graph_filters",
    "UltraGCN": "models.graph_learning",
    "LightGCN": "models.graph_learning",
    "MarkovChain": "models.items.markov",
    "CoVisitation": "models.sessions.co_visitation",
    "Item2Vec": "models.sessions.item2vec",
    "TruncatedSVD": "models.factorization.svd",
    "WALS": "models.factorization.wals",
    "SGDFactorization": "models.factorization.sgd",
    "LogisticFactorization": "models.factorization.logistic",
    "PredictedRating": "models.ratings.rating_candidates",
    "ItemContent": "models.content_based.content",
    "UserProfile": "models.content_based.content",
    "TwoBranch": "models.content_based.two_branch",
    "SASRec": "models.sequences",
    "BERT4Rec": "models.sequences",
    "GRU4Rec": "models.sequences",
    "MultiInterest": "models.interests",
    "MultVAE": "models.autoencoders",
    "TwoTower": "models.towers.two_tower",
    "HybridWARP": "models.hybrid.warp",
    "SoftmaxNetwork": "models.softmax_network.softmax_network",
    "GMF": "models.pairs",
    "MLP": "models.pairs",
    "NeuMF": "models.pairs",
    "DeepFactorization": "models.pairs",
}

__all__ = [*_HOMES]


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__():
    return sorted([*_HOMES, "__version__"])
