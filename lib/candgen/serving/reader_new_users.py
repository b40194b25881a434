"""Query vectors of new users, computed from their features by NumPy alone.

A copy lies in exported folders as `reader_new_users.py`, so it imports nothing of candgen.
`candgen.models.towers.portable` writes a tower's arrays and documents them.
"""

from __future__ import annotations

import difflib
import json
import math
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

_WORD, _WORD_OF_TEXT = re.compile(r"\w\w+"), re.compile(r"(?u)\b\w\w+\b")
_HOURS, _DAYS, _DAY = np.arange(8) * 3.0, 7, 86_400
_MOMENTS = {
    "moment": "when candidates are wanted, in seconds since 1970",
    "last_event": "when the newest of the history was taken, in seconds since 1970",
}


class FeatureError(ValueError):
    """Features of a new user cannot be read; the message names the expected form."""


class FoldIn:
    """A factorization, which solves for the vector of a user from the user's items."""

    def __init__(self, solving: dict[str, float], gram: np.ndarray) -> None:
        """Keep what solving takes.

        Args:
            solving: Its `unobserved_weight`, `regularization` and `frequency_power`.
            gram: The items' V'V, shape `(dim, dim)`.
        """
        self._solving, self._gram = solving, gram

    def vector(
        self, features: dict[str, Any], row_of: Callable[[Any], int], items: np.ndarray
    ) -> np.ndarray:
        """Return x of (w0 V'V + sum v v' + r I) x = sum v over the items taken, shape `(dim,)`.

        Args:
            features: `{"history": [item ids]}`; each item counts once.
            row_of: Finds the row of an item id.
            items: Vectors v of all items.

        Raises:
            FeatureError: If something else is said.
        """
        history = features.get("history") if isinstance(features, dict) else None
        if not isinstance(history, list) or not history or set(features) != {"history"}:
            found = ", ".join(features) if isinstance(features, dict) else type(features).__name__
            raise FeatureError(
                f'Features of this run are {{"history": [item ids]}}, not empty; got {found}.'
            )
        taken = np.unique([row_of(item) for item in history])
        vectors, w0 = items[taken].astype(np.float64), self._solving["unobserved_weight"]
        frequency = (len(taken) + w0 * len(items)) ** self._solving["frequency_power"]
        penalty = self._solving["regularization"] * frequency * np.eye(items.shape[1])
        left = w0 * self._gram + vectors.T @ vectors + penalty
        return np.linalg.solve(left, vectors.sum(axis=0))


class QueryTower:
    """The query tower of a run.

    Attributes:
        reads: Accepted features, name -> form.
    """

    def __init__(self, path: Path | str) -> None:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as held:
            self._arrays = {name: held[name] for name in held.files}
        self.about: dict[str, Any] = json.loads(str(self._arrays.pop("described")))
        self.reads = reads(self.about)

    def vector(
        self, features: dict[str, Any], row_of: Callable[[Any], int], items: np.ndarray
    ) -> np.ndarray:
        """Return the query vector of a new user, shape `(dim,)`.

        Args:
            features: Name -> value; see `reads`.
            row_of: Finds the row of an item id.
            items: Item vectors, from which a tower of ids alone answers for unknown users.

        Raises:
            FeatureError: If a name is unknown, a value of the wrong form or the history missing.
        """
        self._check(features)
        about = self.about
        history = np.array([row_of(i) for i in features.get("history") or []], dtype=np.int64)
        if about["needs_history"] and not len(history):
            raise FeatureError(
                'This run needs a history of at least one item: {"history": [item ids]}.'
            )
        if about["mean_of_items"]:
            made = np.asarray(items[history, : about["dim"]], dtype=np.float32).mean(axis=0)
        else:
            made = self._through(features, history)
        if about["unit"]:
            made = made / np.sqrt(max(float(made @ made), 1e-12))
        return np.append(made, np.ones(about["ones"], np.float32)).astype(np.float32)

    def _through(self, features: dict[str, Any], history: np.ndarray) -> np.ndarray:
        about, parts = self.about, []
        watched = _watched(features, len(history))
        if about["last"]:
            history, watched = history[-about["last"] :], watched[-about["last"] :]
        for place, one in enumerate(about["inputs"]):
            if one["kind"] == "watch_time":
                part = self._watch_time(place, watched)
            elif one["kind"] == "history":
                part = self._history(place, one, history, watched)
            else:
                part = self._part(place, one, features, history)
            share = about["id_share"] if not about["layers"] else 0
            names = {other["name"] for other in about["inputs"]}
            if share and {"id", "history"} <= names and one["name"] in ("id", "history"):
                part = part * np.float32(share if one["name"] == "id" else 1 - share)
            parts.append(part)
        if not about["layers"]:
            return np.sum(parts, axis=0, dtype=np.float32)
        x = np.concatenate(parts)
        for place in range(about["layers"]):
            x = self._dense(f"layer {place}", x)
            if f"layer {place}/scale" in self._arrays:
                x = (x - x.mean()) / np.sqrt(x.var() + np.float32(about["epsilon"]))
                x = x * self._arrays[f"layer {place}/scale"] + self._arrays[f"layer {place}/shift"]
            if place < about["layers"] - 1:
                x = np.maximum(x, 0)
        return x

    def _dense(self, name: str, x: np.ndarray) -> np.ndarray:
        return x @ self._arrays[f"{name}/kernel"] + self._arrays.get(f"{name}/bias", 0)

    # --- inputs

    def _part(
        self, place: int, one: dict[str, Any], features: dict[str, Any], history: np.ndarray
    ) -> np.ndarray:
        table, kind = self._arrays[f"{place}/table"], one["kind"]
        if kind == "id":
            return table[0]
        if kind == "column":
            return _weights(one, features.get(one["column"])) @ table
        if kind == "searches":
            return _searches(one, features.get("searches") or [], table)
        moment, last = self._moments(features, len(history))
        if kind == "time":
            return self._time(place, moment, last)
        days = max(one["end"] - moment, 0) / _DAY
        return _shared(self._arrays[f"{place}/knots"], days) @ table

    def _watch_time(self, place: int, watched: np.ndarray) -> np.ndarray:
        knots = self._arrays[f"{place}/knots"]
        of_each = np.zeros((2, len(knots) + 1), np.float32)
        if len(watched):
            for made, value in zip(of_each, (watched[-1], watched.mean()), strict=True):
                made[:-1] = _shared(knots, value)
        else:
            of_each[:, -1] = 1
        return of_each.ravel() @ self._arrays[f"{place}/table"]

    def _history(
        self, place: int, one: dict[str, Any], history: np.ndarray, watched: np.ndarray
    ) -> np.ndarray:
        table = self._arrays[f"{place}/table"]
        nothing = np.zeros(table.shape[1], np.float32)
        if one["pooling"] == "attention":
            vectors = table[self._arrays[f"{place}/rows"][history[-one["most"] :]]]
            if not len(vectors):
                return nothing
            scores = self._dense(f"{place}/rate", np.tanh(self._dense(f"{place}/mix", vectors)))
            weights = np.exp(scores[:, 0] - scores[:, 0].max())
            return (weights / weights.sum()) @ vectors
        if not len(history):
            held = self._arrays.get(f"{place}/nothing")
            return nothing if held is None else held[0]
        weights = np.float32(one["fading"]) ** np.arange(len(history) - 1, -1, -1, dtype=np.float32)
        if one.get("weighted"):
            weights = weights * watched.astype(np.float32)
        if not weights.any():
            return nothing
        return (weights / weights.sum()) @ table[self._arrays[f"{place}/rows"][history]]

    def _moments(self, features: dict[str, Any], known: int) -> tuple[int, int | None]:
        """Return when candidates are wanted, and when the last event was; None for none."""
        moment = int(_number(features, "moment", self.about["moment"]))
        if not known:
            return moment, None
        last = int(_number(features, "last_event", moment - 1))
        return max(moment, last + 1), last

    def _time(self, place: int, moment: int, last: int | None) -> np.ndarray:
        gaps = self._arrays[f"{place}/gaps"]
        weights = np.zeros(len(gaps) + 1 + len(_HOURS) + _DAYS, np.float32)
        if last is None:
            weights[len(gaps)] = 1
        else:
            weights[: len(gaps)] = _shared(gaps, math.log1p(moment - last))
        first = len(gaps) + 1
        hour = moment % _DAY / 3600
        around = _shared(np.append(_HOURS, 24.0), hour)
        weights[first : first + 8] = around[:8]
        weights[first] += around[8]
        weights[first + 8 + (moment // _DAY + 3) % 7] = 1
        return weights @ self._arrays[f"{place}/table"]

    # --- checks

    def _check(self, features: Any) -> None:
        if not isinstance(features, dict):
            raise FeatureError(f"Features are one JSON object; got {type(features).__name__}.")
        if unknown := [name for name in features if name not in self.reads]:
            near = difflib.get_close_matches(str(unknown[0]), self.reads, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise FeatureError(
                f"This run reads no feature {unknown[0]!r}; it reads {', '.join(self.reads)}.{hint}"
            )
        for name in ("history", "searches"):
            if not isinstance(features.get(name) or [], list):
                raise FeatureError(f"{name} must be a list, oldest first; got {features[name]!r}.")


def reads(about: dict[str, Any]) -> dict[str, str]:
    """Return the accepted features, name -> form, from a tower's description."""
    kinds = {one["kind"] for one in about["inputs"]}
    made = {}
    if "history" in kinds or about["needs_history"]:
        made["history"] = "list of item ids, oldest first"
    if "watch_time" in kinds or any(one.get("weighted") for one in about["inputs"]):
        made["watched"] = "list of how much was watched, a number for each item of the history"
    for one in about["inputs"]:
        if one["kind"] == "column":
            made[one["column"]] = _form_of(one)
    if "searches" in kinds:
        made["searches"] = "list of what was searched for, oldest first"
    if kinds & {"time", "age"}:
        made["moment"] = _MOMENTS["moment"]
    if "time" in kinds:
        made["last_event"] = _MOMENTS["last_event"]
    return made


def _watched(features: dict[str, Any], n: int) -> np.ndarray:
    """Return how much was watched of each item of the history; all alike where nobody says."""
    given = features.get("watched")
    found = np.ones(n) if given is None else np.asarray(given)
    numbers = found.dtype.kind in "iuf" or not n
    if found.shape != (n,) or not numbers or not np.isfinite(found).all() or (found < 0).any():
        raise FeatureError(
            f"watched must be a list of {n} numbers of 0 or more, one for each item of the "
            f"history; got {given!r}."
        )
    return found.astype(np.float64)


def _form_of(one: dict[str, Any]) -> str:
    if one["reads"] == "numeric":
        return "a number"
    if one["reads"] == "text":
        return "a text"
    such = ", ".join(json.dumps(value, ensure_ascii=False) for value in one["values"][:3])
    return f"a list of values, such as {such}" if one["reads"] == "multi" else f"such as {such}"


# --- values of columns, as candgen.features learned to read them


def _weights(one: dict[str, Any], value: Any) -> np.ndarray:
    """Return what each row of a column's table weighs, shape `(n_rows,)`."""
    if one["reads"] == "numeric":
        made = _of_number(one, value)
    else:
        made = (_of_text if one["reads"] == "text" else _of_values)(one, value)
    return made * np.float32(one["weight"])


def _of_number(one: dict[str, Any], value: Any) -> np.ndarray:
    knots = one["knots"]
    made = np.zeros((len(knots) if knots else 1) + one["missing"], np.float32)
    if value is None:
        made[-1] = one["missing"]
        return made
    value = _number({one["column"]: value}, one["column"], 0)
    if one["log"]:
        if value < 0:
            raise FeatureError(f"{one['column']} must be 0 or more, got {value:g}.")
        value = math.log1p(value)
    if knots:
        made[: len(knots)] = [np.interp(value, knots, row) for row in np.eye(len(knots))]
    elif one["spread"] is not None:
        made[0] = (value - one["mean"]) / one["spread"]
    return made


def _of_values(one: dict[str, Any], value: Any) -> np.ndarray:
    multi, kept = one["reads"] == "multi", one["values"]
    held = [] if value is None else value if multi else [value]
    if not isinstance(held, list) or any(isinstance(v, (list, dict)) for v in held):
        raise FeatureError(f"{one['column']} must be {_form_of(one)}; got {value!r}.")
    made = np.zeros(len(kept) + one["hashed"] + one["missing"], np.float32)
    if not held:
        made[-1] = one["missing"]
        return made
    places = {v: place for place, v in enumerate(kept)}
    for v in held:
        if v in places:
            made[places[v]] = 1
        elif one["hashed"]:
            made[len(kept) + _hash(v, one["hashed"])] = 1
    return made


def _of_text(one: dict[str, Any], value: Any) -> np.ndarray:
    words = _WORD_OF_TEXT.findall(("" if value is None else str(value)).lower())
    kept = {word: place for place, word in enumerate(one["values"])}
    known, others = np.zeros(len(kept)), np.zeros(one["hashed"])
    for word in words:
        if word in kept:
            known[kept[word]] += one["weights"][kept[word]]
        elif one["hashed"]:
            others[_hash(word, one["hashed"])] += len(words) ** -0.5
    known /= np.linalg.norm(known) or 1
    missing = [float(not words)] * one["missing"]
    return np.concatenate([known, others, missing]).astype(np.float32)


def _searches(one: dict[str, Any], texts: list[Any], table: np.ndarray) -> np.ndarray:
    places, rows = {word: row for row, word in enumerate(one["words"])}, []
    for text in texts[-one["most"] :]:
        for word in _WORD.findall(str(text).lower()):
            rows.append(places.get(word, len(places) + _hash(word, one["hashed"])))
    return table[rows].mean(axis=0) if rows else np.zeros(table.shape[1], np.float32)


def _shared(knots: np.ndarray, value: float) -> np.ndarray:
    """Share a value out between the two knots next to it, shape `(n_knots,)`."""
    made = np.zeros(len(knots), np.float32)
    if len(knots) == 1:
        made[0] = 1
        return made
    left = int(np.clip(np.searchsorted(knots, value, side="right") - 1, 0, len(knots) - 2))
    right = float(np.clip((value - knots[left]) / (knots[left + 1] - knots[left]), 0, 1))
    made[left], made[left + 1] = 1 - right, right
    return made


def _hash(value: Any, n: int) -> int:
    return zlib.crc32(str(value).encode()) % n


def _number(features: dict[str, Any], name: str, otherwise: float) -> float:
    value = features.get(name)
    if value is None:
        return otherwise
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value):
        raise FeatureError(
            f"{name} must be a finite number, got {value!r}. Leave it out where it is unknown."
        )
    return value
