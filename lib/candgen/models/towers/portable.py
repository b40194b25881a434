"""A trained query tower as plain arrays, so that NumPy alone computes vectors of new users.

Vectors of trained users are looked up; vectors of later users are computed. This module keeps what
that needs as arrays and one description in JSON types: for each input the way from features to rows
of a table, for each layer its numbers. Of a table of user ids only the row is kept that all
unknown users share. `candgen.serving.reader_new_users` reads it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candgen.models.towers.inputs import Columns, History, Ids, Input
from candgen.models.towers.learning import TowerLearner
from candgen.models.towers.timed import Searches, Time, WatchTime

FORMAT = 1
DESCRIBED = "described"  # the array that holds the description, as text
RESERVED = ("history", "watched", "searches", "moment", "last_event")
Part = tuple[dict[str, Any], dict[str, NDArray]]


def portable_queries(model: Any) -> dict[str, NDArray]:
    """Return a fitted generator's query tower as arrays by name.

    Args:
        model: A generator made of towers, fitted.

    Returns:
        Arrays: `described`, a JSON text; for input number n `n/table` and what else it needs; for
        layer number n `layer n/kernel`, `layer n/bias` and so on.
    """
    learner: TowerLearner = model._learned
    tower = learner.query_tower
    network = getattr(tower, "_tower", tower)  # without the coordinate that biases are added by
    timed = learner.log.has_times
    described: dict[str, Any] = {
        "format": FORMAT, "inputs": [], "dim": int(network.dim), "layers": len(network._dense),
        "unit": bool(network.unit), "id_share": float(network.id_share),
        "ones": int(learner._width(tower.dim) - network.dim), "timed": bool(timed),
        "moment": int(model.moment_), "last": int(learner.history_length if timed else 0),
        "needs_history": not model.answers_cold_users, "n_items": int(learner.n_items),
        "mean_of_items": list(model.query_inputs_) == ["id"],
    }  # fmt: skip
    arrays: dict[str, NDArray] = {}
    for place, one in enumerate(learner.queries):
        said, held = _described(one)
        described["inputs"].append({"name": one.name, **said})
        arrays |= {f"{place}/{name}": array for name, array in held.items()}
        if one.attends:
            mix, rate = network._attention[one.name]
            arrays |= _dense(f"{place}/mix", mix) | _dense(f"{place}/rate", rate)
    for place, (dense, normalize) in enumerate(network._dense):
        arrays |= _dense(f"layer {place}", dense)
        if normalize is not None:
            arrays[f"layer {place}/scale"] = normalize.gamma.numpy()
            arrays[f"layer {place}/shift"] = normalize.beta.numpy()
            described["epsilon"] = float(normalize.epsilon)
    arrays[DESCRIBED] = np.array(json.dumps(described, allow_nan=False))
    return arrays


def _dense(name: str, layer: Any) -> dict[str, NDArray]:
    found = {f"{name}/kernel": layer.kernel.numpy()}
    if layer.use_bias:
        found[f"{name}/bias"] = layer.bias.numpy()
    return found


def _described(one: Input) -> Part:
    for kind, describe in _KINDS.items():
        if isinstance(one, kind):
            return describe(one)
    return {"kind": "age", "end": int(one.end)}, {"table": one.table.rows, "knots": one.ages.knots}


def _ids(one: Ids) -> Part:
    return {"kind": "id"}, {"table": one.table.rows[-1:]}


def _history(one: History) -> Part:
    said = {"kind": "history", "pooling": one.pooling, "fading": float(one.fading)}
    held = {"table": one.table.rows, "rows": one.row_of}
    if one.nothing is not None:
        held["nothing"] = one.nothing.rows
    return {**said, "most": int(one.most), "weighted": bool(one.weighted)}, held


def _column(one: Columns) -> Part:
    said = dict(one.learned or {})
    if said["column"] in RESERVED:  # by which somebody's events are told
        said["column"] = f"user {said['column']}"
    return {"kind": "column", **said}, {"table": one.table.rows}


def _searches(one: Searches) -> Part:
    words = one.vocabulary
    said = {"kind": "searches", "words": list(words.places), "hashed": words.hashed}
    return {**said, "most": int(one.most)}, {"table": one.table.rows}


def _time(one: Time) -> Part:
    return {"kind": "time"}, {"table": one.table.rows, "gaps": one.gaps.knots}


def _watch_time(one: WatchTime) -> Part:
    return {"kind": "watch_time"}, {"table": one.table.rows, "knots": one.amounts.knots}


_KINDS: dict[type[Input], Callable[[Any], Part]] = {
    Ids: _ids, History: _history, Columns: _column, Searches: _searches, Time: _time,
    WatchTime: _watch_time,
}  # fmt: skip
