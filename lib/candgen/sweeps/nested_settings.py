"""Checks of parameters that hold settings of something else, before anything starts.

A parameter such as `wals_settings` or `builds` is a mapping whose keys only the library knows. Its
name says what it holds, the same in every notebook.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from candgen.checks import Count, NotNegative, Share, checked
from candgen.errors import SettingError, did_you_mean
from candgen.sweeps.notebook_parameters import Notebook

Values = Mapping[str, Any]


def check(notebook: Notebook, parameters: Values) -> None:
    """Check the nested settings among the parameters that a notebook will get.

    Args:
        notebook: The notebook.
        parameters: Its parameters; what is left out keeps its default, which is not checked.

    Raises:
        SettingError: Naming the parameter, the key inside it, what was expected and what arrived.
    """
    every = {**notebook.defaults(), **parameters}
    for name in parameters.keys() & _CHECKS.keys():
        if not isinstance(parameters[name], dict | list):
            continue  # the world of notebook 10 has a number of the name `freshness`
        try:
            _CHECKS[name](parameters[name], every)
        except SettingError as error:
            raise SettingError(f"{name}: {error}") from None


def _generators(names: Any, _: Values) -> None:
    from candgen import models

    if not isinstance(names, list) or not names:
        raise SettingError(f"expected a list of generators, got {names!r}.")
    for name in names:
        models.by_name(checked("generator", name, str))


def _of_generators(settings: Values, every: Values) -> None:
    from candgen import models

    taken = every.get("generators") or []
    for name, own in settings.items():
        _is_one_of(name, taken)
        models.from_settings(name, checked(name, own, dict))


def _of_generator(name: str) -> Callable[[Values, Values], None]:
    def check(settings: Values, _: Values) -> None:
        from candgen import models

        models.from_settings(name, dict(settings))

    return check


def _shares(shares: Values, every: Values) -> None:
    for name, share in shares.items():
        _is_one_of(name, every.get("generators") or [])
        checked(name, share, Share)


def _of_index(settings: Values, every: Values) -> None:
    from candgen.retrieval import indexes

    indexes.check_settings(every["index_kind"], settings)


def _builds(builds: Values, _: Values) -> None:
    from candgen.retrieval import indexes

    for kind, several in builds.items():
        for settings in checked(kind, several, list[dict]):
            indexes.check_settings(kind, settings)


def _efforts(efforts: Values, _: Values) -> None:
    from candgen.retrieval import indexes

    for kind, several in efforts.items():
        indexes.kind_of(kind)
        checked(kind, several, list[Count])


def _of_world(settings: Values, _: Values) -> None:
    from candgen.datasets import preparation

    preparation.check_settings({**settings, "source": "world"})


def _features(features: Values, _: Values) -> None:
    from candgen.features import tables

    tables.declared(features, list(features), "items")


def _of_freshness(settings: Values, _: Values) -> None:
    for name, value in settings.items():
        _is_one_of(name, ("days", "half_life", "weight"))
        checked(name, value, NotNegative)


def _is_one_of(name: str, known: Any) -> None:
    if name not in known:
        raise SettingError(f"there is no {name!r}.{did_you_mean(str(name), known)}")


_CHECKS: dict[str, Callable[[Any, Values], None]] = {
    "generators": _generators,
    "generator_settings": _of_generators,
    "fixed_shares": _shares,
    "wals_settings": _of_generator("WALS"),
    "ids_alone": _of_generator("TwoTower"),
    "index_settings": _of_index,
    "builds": _builds,
    "efforts": _efforts,
    "small_world": _of_world,
    "features": _features,
    "freshness": _of_freshness,
}
