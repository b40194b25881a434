"""Columns of any table as numbers: declared by name and kind, never written into a model.

| kind | column holds | becomes |
|---|---|---|
| numeric | numbers, or logarithms | one standardized column; or, with `bins`, overlapping bins |
| categorical | one value a row | one column a value |
| multi | a list of values a row, or text with bars | one column a value |
| text | words | TF-IDF of the words (scikit-learn), rows of length 1 |

Everything that is learned (means, bins, vocabularies, word weights) is learned from the rows that
`fit` is given, so pass the rows of training. What those rows did not show has one answer:

- a missing number stands at the mean; if training had missing ones, a further column marks it;
- a value or word that is not kept shares the `hashed` columns of its feature with others, chosen by
  a hash of it; without such columns it sets none;
- any other missing value sets no column at all.

That is what similarities need. Towers learn an embedding for every column, so for them an encoder
is `complete`: each feature has a column for missing, and one at least for values that are not kept.

The result is sparse, one block of columns a feature, so that towers can turn a block into an
embedding with one product.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Self, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csr_array

from candgen.columns import ITEM, ITEM_ID, TITLE, USER, USER_ID
from candgen.errors import DataError, SettingError, did_you_mean

Kind = Literal["numeric", "categorical", "multi", "text"]
KINDS: tuple[str, ...] = get_args(Kind)
_NOT_FEATURES = (USER, USER_ID, ITEM, ITEM_ID, TITLE)
_MOST_CATEGORIES = 100  # text with more distinct values is not taken for a category unasked
_OPTIONS = ("kind", "weight", "bins", "log", "most", "at_least", "hashed")


@dataclass(frozen=True)
class Feature:
    """One column of a table, and how to read it.

    Raises:
        SettingError: If a field is out of range or means nothing for the kind.
    """

    column: str
    kind: Kind
    weight: float = 1.0
    """Multiplies the columns of this feature."""
    bins: int = 0
    """numeric: quantiles between which the value is shared out, at least 2; 0 standardizes."""
    log: bool = False
    """numeric: take log(1 + value) first, for counts and lengths of time; none below 0."""
    most: int = 1000
    """categorical, multi, text: values or words kept, the most frequent first."""
    at_least: int = 1
    """categorical, multi, text: rows that must have a value or word for it to be kept."""
    hashed: int = 0
    """categorical, multi, text: columns shared by all values and words that are not kept."""

    def __post_init__(self) -> None:
        where = f"feature {self.column!r}"
        if self.kind not in KINDS:
            hint = did_you_mean(str(self.kind), KINDS)
            raise SettingError(f"{where}: kind is {self.kind!r}.{hint}")
        if not _is_number(self.weight) or not 0 < self.weight < np.inf:
            raise SettingError(f"{where}: weight must be above 0, got {self.weight!r}.")
        for name, lowest in (("bins", 0), ("most", 1), ("at_least", 1), ("hashed", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < lowest:
                raise SettingError(
                    f"{where}: {name} must be a whole number, {lowest} or greater, got {value!r}."
                )
        if self.bins == 1 or (self.bins and self.kind != "numeric"):
            raise SettingError(
                f"{where}: bins must be 2 or greater, and only a numeric feature has any; "
                f"got bins={self.bins} for kind {self.kind!r}."
            )
        if not isinstance(self.log, bool) or (self.log and self.kind != "numeric"):
            raise SettingError(
                f"{where}: log is true or false, and only a numeric feature has one; "
                f"got log={self.log!r} for kind {self.kind!r}."
            )
        if self.hashed and self.kind == "numeric":
            raise SettingError(f"{where}: hashed is for values and words, not for numbers.")


def declared(features: Mapping[str, Any], table: pd.DataFrame, what: str) -> list[Feature]:
    """Read a declaration such as `{"genres": "multi", "title": {"kind": "text", "most": 300}}`.

    Args:
        features: Column -> kind, or column -> options. When empty, `suggested` decides.
        table: Where the columns are.
        what: The table's name, for messages.

    Raises:
        SettingError: If a column, kind or option does not exist.
    """
    if not features:
        return suggested(table)
    made = []
    for column, described in features.items():
        if column not in table:
            raise SettingError(
                f"The table of {what} has no column {column!r}.{did_you_mean(column, table)}"
            )
        options = described if isinstance(described, Mapping) else {"kind": described}
        for name in options:
            if name not in _OPTIONS:
                hint = did_you_mean(str(name), _OPTIONS)
                raise SettingError(f"feature {column!r} has no option {name!r}.{hint}")
        if "kind" not in options:
            raise SettingError(f"feature {column!r} needs a kind: {', '.join(KINDS)}.")
        made.append(Feature(column, **options))
    return made


def suggested(table: pd.DataFrame) -> list[Feature]:
    """Declare the columns of a table by what they hold.

    Ids and titles are left out, and so is text with too many different values for a category:
    say `text` yourself where words matter.
    """
    made = []
    for column in table.columns:
        values = table[column].dropna()
        if column in _NOT_FEATURES or not len(values):
            continue
        if isinstance(values.iloc[0], (list, tuple, np.ndarray)):
            made.append(Feature(column, "multi"))
        elif pd.api.types.is_bool_dtype(values.dtype):
            made.append(Feature(column, "categorical"))
        elif pd.api.types.is_numeric_dtype(values.dtype):
            made.append(Feature(column, "numeric"))
        elif values.nunique() <= _MOST_CATEGORIES:
            made.append(Feature(column, "categorical"))
    return made


class Encoder:
    """Turns rows of a table into numbers, as learned from the rows given to `fit`.

    Attributes:
        names_: One name a column of the result, such as "genres: Comedy".
        blocks_: Column of the table -> its slice of the result.
        spare_: Column of the table -> columns of the result for what is missing or not kept.
    """

    def __init__(self, features: list[Feature], *, complete: bool = False) -> None:
        """Declare what is read.

        Args:
            features: One block of columns each, in this order.
            complete: Whether every feature has a column for missing, and one at least for values
                and words that are not kept.
        """
        if complete:
            features = [
                f if f.kind == "numeric" else replace(f, hashed=max(f.hashed, 1)) for f in features
            ]
        self.features = list(features)
        self.complete = complete

    def fit(self, table: pd.DataFrame) -> Self:
        """Learn means, bins and vocabularies from these rows and no others.

        Raises:
            DataError: If a numeric column holds what is not a number, or infinity.
        """
        self._columns = [
            _LEARNERS[feature.kind](feature, table, self.complete) for feature in self.features
        ]
        self.names_: list[str] = []
        self.blocks_: dict[str, slice] = {}
        self.spare_: dict[str, NDArray[np.int64]] = {}
        for feature, column in zip(self.features, self._columns, strict=True):
            start = len(self.names_)
            names = column.names
            self.names_ += [f"{feature.column}: {n}" if n else feature.column for n in names]
            self.blocks_[feature.column] = slice(start, len(self.names_))
            self.spare_[feature.column] = np.arange(len(names) - column.spare, len(names)) + start
        return self

    def encode(self, table: pd.DataFrame) -> csr_array:
        """Return one row a row of the table, shape `(n, len(names_))`, float32.

        Raises:
            DataError: If the table lacks a column, or holds what is not a number in a numeric one.
        """
        blocks = []
        for feature, column in zip(self.features, self._columns, strict=True):
            if feature.column not in table:
                raise DataError(
                    f"The features need the column {feature.column!r}; the table has {list(table)}."
                )
            blocks.append(column.encode(table[feature.column]) * np.float32(feature.weight))
        if not blocks:
            return csr_array((len(table), 0), dtype=np.float32)
        return csr_array(sparse.hstack(blocks, format="csr"), dtype=np.float32)

    def learned(self, column: str) -> dict[str, Any]:
        """Return what was learned of a column as JSON types, enough to encode it elsewhere."""
        place = [feature.column for feature in self.features].index(column)
        feature = self.features[place]
        said = {"column": column, "reads": feature.kind, "weight": feature.weight}
        return {**said, **self._columns[place].learned()}


# --- one class a kind: learned by the constructor, applied by `encode`; the last `spare` columns
# are for what is missing or not kept


class _Numeric:
    def __init__(self, feature: Feature, table: pd.DataFrame, complete: bool) -> None:
        self.column, self.log = feature.column, feature.log
        values = self._numbers(table[feature.column])
        known = values[~np.isnan(values)]
        self.mean = float(known.mean()) if len(known) else 0.0
        spread = float(known.std()) if len(known) else 0.0
        self.spread = spread if spread > 1e-12 * max(1.0, abs(self.mean)) else np.inf
        self.marks_missing = complete or bool(np.isnan(values).any())
        self.spare = int(self.marks_missing)
        self.knots = None
        if feature.bins and len(known):
            self.knots = np.unique(np.quantile(known, np.linspace(0, 1, feature.bins)))
        binned = [""] if self.knots is None else [f"{knot:g}" for knot in self.knots]
        self.names = binned + ["missing"] * self.marks_missing

    def encode(self, column: pd.Series) -> csr_array:
        values = self._numbers(column)
        missing = np.isnan(values)
        if self.knots is None:
            made = ((values - self.mean) / self.spread)[:, None]
        else:
            made = np.stack([np.interp(values, self.knots, row) for row in self._hats()], axis=1)
        made[missing] = 0
        if self.marks_missing:
            made = np.hstack([made, missing[:, None]])
        return csr_array(made.astype(np.float32))

    def learned(self) -> dict[str, Any]:
        knots = None if self.knots is None else self.knots.tolist()
        spread = float(self.spread) if np.isfinite(self.spread) else None  # None: always the same
        said = {"mean": self.mean, "spread": spread, "knots": knots, "log": self.log}
        return {**said, "missing": self.marks_missing}

    def _hats(self) -> NDArray[np.float64]:
        return np.eye(len(self.knots))

    def _numbers(self, column: pd.Series) -> NDArray[np.float64]:
        try:
            values = pd.to_numeric(column).to_numpy(np.float64, na_value=np.nan)
        except (TypeError, ValueError) as error:
            raise DataError(
                f"Column {self.column!r} is declared numeric, but {error}. Declare it categorical, "
                "multi or text."
            ) from None
        if np.isinf(values).any():
            row = int(np.isinf(values).argmax())
            raise DataError(
                f"Column {self.column!r}, row {row}: expected a finite number, got inf."
            )
        if self.log:
            if (values < 0).any():
                row = int((values < 0).argmax())
                raise DataError(
                    f"Column {self.column!r}, row {row}: log needs numbers of 0 or more, got "
                    f"{values[row]:g}. Leave log out."
                )
            values = np.log1p(values)
        return values


class _Values:
    """A column a value, for one value a row or for lists of them."""

    def __init__(self, feature: Feature, table: pd.DataFrame, complete: bool) -> None:
        self.multi = feature.kind == "multi"
        self.column, self.hashed, self.complete = feature.column, feature.hashed, complete
        counts = Counter(v for held in self._lists(table[feature.column]) for v in set(held))
        often = [v for v, count in counts.items() if count >= feature.at_least]
        kept = sorted(often, key=lambda v: (-counts[v], str(v)))[: feature.most]
        self.values = sorted(kept, key=str)
        self.places = {value: place for place, value in enumerate(self.values)}
        self.spare = self.hashed + complete
        self.names = [str(value) for value in self.values] + _spare_names(self.hashed, complete)

    def encode(self, column: pd.Series) -> csr_array:
        rows = [self._row(held) for held in self._lists(column)]
        indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
        indices = np.array([place for row in rows for place in row], dtype=np.int64)
        ones = np.ones(len(indices), dtype=np.float32)
        return csr_array((ones, indices, indptr), shape=(len(rows), len(self.names)))

    def learned(self) -> dict[str, Any]:
        return {
            "values": [_plain(value) for value in self.values],
            "hashed": self.hashed,
            "missing": self.complete,
        }

    def _row(self, held: Any) -> list[int]:
        if self.complete and not len(held):
            return [len(self.names) - 1]
        first = len(self.values)
        found = {
            self.places[v] if v in self.places else first + hash_of(v, self.hashed)
            for v in held
            if v in self.places or self.hashed
        }
        return sorted(found)

    def _lists(self, column: pd.Series) -> list[Any]:
        if not self.multi:
            missing = column.isna().to_numpy(bool)
            if pd.api.types.is_float_dtype(column.dtype):  # 7 stays 7 where others are missing
                column = [int(v) if not m and v == np.floor(v) and abs(v) < 2**53 else v
                          for v, m in zip(column, missing, strict=True)]  # fmt: skip
            return [() if m else (v,) for v, m in zip(column, missing, strict=True)]
        found = []
        for row, held in enumerate(column):
            if held is None or (not np.ndim(held) and pd.isna(held)):
                found.append(())
            elif isinstance(held, (list, tuple, np.ndarray)):
                found.append(held)
            elif isinstance(held, str):
                found.append([value for part in held.split("|") if (value := part.strip())])
            else:
                raise DataError(
                    f"Column {self.column!r}, row {row}: declared multi, expected a list of "
                    f"values or text such as Audio|Video, got {held!r}. Declare it categorical."
                )
        return found


class _Text:
    def __init__(self, feature: Feature, table: pd.DataFrame, complete: bool) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self.hashed, self.complete = feature.hashed, complete
        self.spare = self.hashed + complete
        self.words = TfidfVectorizer(
            max_features=feature.most, min_df=feature.at_least, dtype=np.float32
        )
        self.split = self.words.build_analyzer()
        try:
            self.words.fit(self._texts(table[feature.column]))
            self.kept = self.words.get_feature_names_out().tolist()
        except ValueError:  # no text, or no word that occurs often enough
            self.kept = []
        self.places = dict.fromkeys(self.kept)
        self.names = self.kept + _spare_names(self.hashed, complete)

    def encode(self, column: pd.Series) -> csr_array:
        texts = self._texts(column)
        known = csr_array((len(column), 0), dtype=np.float32)
        if self.kept:
            known = csr_array(self.words.transform(texts))
        if not self.spare:
            return known
        return csr_array(sparse.hstack([known, self._others(texts)], format="csr"))

    def learned(self) -> dict[str, Any]:
        weights = self.words.idf_.tolist() if self.kept else []
        said = {"values": self.kept, "weights": weights}
        return {**said, "hashed": self.hashed, "missing": self.complete}

    def _others(self, texts: list[str]) -> csr_array:
        """Words that are not kept, each weighing 1 / sqrt(words of the text), and missing texts."""
        made = np.zeros((len(texts), self.spare), dtype=np.float32)
        for row, text in enumerate(texts):
            words = self.split(text)
            for word in words:
                if word not in self.places:
                    made[row, hash_of(word, self.hashed)] += len(words) ** -0.5
            if self.complete and not words:
                made[row, -1] = 1
        return csr_array(made)

    def _texts(self, column: pd.Series) -> list[str]:
        return ["" if missing else str(v) for v, missing in zip(column, column.isna(), strict=True)]


_LEARNERS = {"numeric": _Numeric, "categorical": _Values, "multi": _Values, "text": _Text}


def hash_of(value: Any, n: int) -> int:
    """Return a bucket in 0 .. n - 1 that depends on the spelling of a value alone."""
    return zlib.crc32(str(value).encode()) % n


def _spare_names(hashed: int, complete: bool) -> list[str]:
    return [f"(other {place + 1})" for place in range(hashed)] + ["(missing)"] * complete


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    return value if isinstance(value, (str, int, float, bool)) else str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
