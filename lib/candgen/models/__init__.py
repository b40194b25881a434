"""Generators: one idea per file, all under the contract of `candgen.models.base`.

A generator's module is imported when its class is first asked for, so that a matrix
factorization never loads what only a neural network needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from candgen import own_generators
from candgen.errors import SettingError, did_you_mean
from candgen.models.base import Generator, VectorGenerator

_HOMES = {  # leaderboard name, which is also the name users set -> (module, class)
    "random": ("popularity.baselines", "Random"),
    "popularity": ("popularity.baselines", "Popularity"),
    "GroupPopularity": ("popularity.group_popularity", "GroupPopularity"),
    "RecentPopularity": ("popularity.recent", "RecentPopularity"),
    "Revisit": ("popularity.revisits", "Revisit"),
    "ItemKNN": ("items.neighbours", "ItemKNN"),
    "UserKNN": ("items.neighbours", "UserKNN"),
    "EASE": ("items.ease", "EASE"),
    "SLIM": ("items.sparse", "SLIM"),
    "SparseEASE": ("items.sparse", "SparseEASE"),
    "RP3beta": ("items.sparse", "RP3beta"),
    "GF-CF": ("graph_filters", "GFCF"),
    "BSPM": ("graph_filters", "BSPM"),
    "UltraGCN": ("graph_learning", "UltraGCN"),
    "LightGCN": ("graph_learning", "LightGCN"),
    "TruncatedSVD": ("factorization.svd", "TruncatedSVD"),
    "WALS": ("factorization.wals", "WALS"),
    "PredictedRating": ("ratings.rating_candidates", "PredictedRating"),
    "ItemContent": ("content_based.content", "ItemContent"),
    "UserProfile": ("content_based.content", "UserProfile"),
    "TwoBranch": ("content_based.two_branch", "TwoBranch"),
    "MF-SGD": ("factorization.sgd", "SGDFactorization"),
    "MF-logistic": ("factorization.logistic", "LogisticFactorization"),
    "MarkovChain": ("items.markov", "MarkovChain"),
    "CoVisitation": ("sessions.co_visitation", "CoVisitation"),
    "item2vec": ("sessions.item2vec", "Item2Vec"),
    "SASRec": ("sequences", "SASRec"),
    "BERT4Rec": ("sequences", "BERT4Rec"),
    "GRU4Rec": ("sequences", "GRU4Rec"),
    "MultiInterest": ("interests", "MultiInterest"),
    "Mult-VAE": ("autoencoders", "MultVAE"),
    "TwoTower": ("towers.two_tower", "TwoTower"),
    "HybridWARP": ("hybrid.warp", "HybridWARP"),
    "SoftmaxNetwork": ("softmax_network.softmax_network", "SoftmaxNetwork"),
    "GMF": ("pairs", "GMF"),
    "MLP": ("pairs", "MLP"),
    "NeuMF": ("pairs", "NeuMF"),
    "DeepFactorization": ("pairs", "DeepFactorization"),
}
_MODULES = {name: module for module, name in _HOMES.values()}

__all__ = [
    "Generator",
    "VectorGenerator",
    "by_name",
    "from_parameters",
    "from_settings",
    "names",
    *_MODULES,
]


def names() -> list[str]:
    """Return the names of all generators, as leaderboards spell them."""
    return list(_HOMES)


def by_name(name: str) -> type[Generator]:
    """Return the class of a generator.

    Args:
        name: As the leaderboard spells it, such as "ItemKNN"; a class in a file of one's own, such
            as "my_models.py:MyModel"; or one that an installed package offers.

    Raises:
        SettingError: If there is no such generator, or it cannot be loaded.
    """
    if name not in _HOMES:
        from candgen.models import own_classes

        if own_generators.is_named_by_file(name):
            return own_classes.from_file(name, tuple(_HOMES))
        if name in (installed := own_generators.installed()):
            return own_classes.from_package(name, tuple(_HOMES))
        raise SettingError(
            f"There is no generator {name!r}.{did_you_mean(name, [*_HOMES, *installed])} One of "
            "your own is named by its file and class, as in my_models.py:MyModel."
        )
    module, class_name = _HOMES[name]
    return getattr(import_module(f"candgen.models.{module}"), class_name)


def from_settings(name: str, settings: dict[str, Any]) -> Generator:
    """Make a generator from its name and the settings it was recorded with.

    Raises:
        SettingError: If the generator or a setting does not exist, or a value is out of range.
    """
    return by_name(name)(**settings)


def from_parameters(
    name: str, parameters: Mapping[str, Any], settings: Mapping[str, Any] | None = None
) -> Generator:
    """Make a generator from those of a notebook's parameters that are settings of it.

    Args:
        name: As the leaderboard spells it.
        parameters: All parameters of the notebook. They are checked where the notebook is run;
            those that are not settings of the generator are left alone.
        settings: Settings of the generator alone, which override the notebook's. An unknown name
            is refused.

    Raises:
        SettingError: If the generator or one of `settings` does not exist, or a value is out of
            range.
    """
    known = by_name(name).setting_names()
    told = {key: parameters[key] for key in known if key in parameters}
    return from_settings(name, {**told, **(settings or {})})


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"candgen.models.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
