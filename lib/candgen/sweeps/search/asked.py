"""Searches that a params file asks for: `search:` in a run's entry, checked against its settings.

    wals:
      search: {dim: {int: [8, 128], log: true}, solver: [cg, cholesky]}

`search: default` takes the ranges that the generator's settings class names, without those
settings that the file sets itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from candgen.errors import CandgenError, SettingError, did_you_mean
from candgen.spaces import OneOf, Range, Real, Space, Whole
from candgen.sweeps import flat_settings, grids
from candgen.sweeps.notebook_parameters import Notebook, number_or_text
from candgen.sweeps.search import settled
from candgen.sweeps.search.budgets import Budget
from candgen.sweeps.search.points import values_of
from candgen.sweeps.sweepfile import SweepFile

if TYPE_CHECKING:
    from candgen.sweeps.plan import Stage

SEARCH = "search"
DEFAULT = "default"
_NEVER = (
    "dataset", "evaluate_on", "generator", "settings", "seed", "run_folder", "k", "cutoffs",
    "headline", "watch", "watch_every", "watch_always",
)  # fmt: skip
_EXPECTED = (
    "expected {int: [16, 256], log: true}, {float: [0.001, 0.1], log: true} or a list of values"
)


@dataclass(frozen=True)
class Search:
    """One search: what is tried, and which runs get what it chooses."""

    name: str
    space: Space
    finals: tuple[Stage, ...]
    """The runs with the chosen settings, one a seed; trials have the first one's other settings."""
    budget: Budget
    metric: str
    """Metric that is maximized on validation, such as recall@20."""

    @property
    def generator(self) -> str | None:
        return flat_settings.generator_of(self.finals[0].notebook, self.finals[0].written)

    @property
    def seed(self) -> int:
        """The root seed of everything that is drawn."""
        found = settled.value_of(self.finals[0], "seed")
        return found if isinstance(found, int) else 0

    def in_words(self) -> str:
        """Describe the search in a line."""
        ranges = ", ".join(f"{name} {_worded(one)}" for name, one in self.space.items())
        limit = "" if self.budget.minutes is None else f" or {self.budget.minutes:g} minutes"
        how = f"sampler {self.budget.sampler}, pruning {self.budget.pruning}"
        return (
            f"at most {self.budget.most_trials} trials{limit} for {self.metric} on validation, "
            f"{how}, over {ranges}"
        )

    def defaults(self) -> dict[str, Any]:
        """Return what a run has for the searched settings if nothing is searched."""
        return {name: settled.value_of(self.finals[0], name) for name in self.space}


def read_space(
    source: SweepFile,
    keys: tuple[str, ...],
    notebook: Notebook,
    values: dict[str, Any],
    budget: Budget,
    *,
    every: bool = False,
) -> Space:
    """Read what is searched in a run; nothing if no search is asked for.

    Args:
        source: The sweep's file.
        keys: Of the run's entry.
        notebook: Of the run.
        values: What the file sets: defaults, the entry's own, and a choice of its grid.
        budget: Of the sweep.
        every: Whether runs without a `search:` take their generator's default space.

    Raises:
        SettingError: For an unknown name, with a suggestion; for a range outside the setting's
            own; for a key that is also in the grid or beside it.
    """
    asked, at = source.section(keys).get(SEARCH), (*keys, SEARCH)
    if asked is None and not every:
        return {}
    try:
        generator = flat_settings.generator_of(notebook, values)
        if asked is None and settled.EVALUATE_ON not in notebook.parameters:
            return {}
        if asked in (None, DEFAULT):
            space = {
                name: found
                for name, found in flat_settings.default_space(generator).items()
                if name not in values
            }
            if not space and asked is None:
                return {}
            if not space:
                raise SettingError(_no_default(notebook, generator))
        else:
            space = _written(source, keys, notebook, generator)
        if settled.EVALUATE_ON not in notebook.parameters:
            raise SettingError(
                f"{notebook.path.name} has no parameter evaluate_on, so its trials cannot be "
                "judged on validation."
            )
        if budget.sampler == "grid":
            for name, found in space.items():
                values_of(name, found)
    except CandgenError as error:
        raise error if str(source.path) in str(error) else source.error(at, error) from None
    return space


def check_search(source: SweepFile, keys: tuple[str, ...], search: Search) -> None:
    """Check that its runs record what a search maximizes.

    Raises:
        SettingError: If the report's metric is at none of the cut-offs.
    """
    cutoffs = settled.value_of(search.finals[0], "cutoffs")
    _, _, cutoff = search.metric.partition("@")
    if isinstance(cutoffs, list) and cutoff not in map(str, cutoffs):
        raise source.error(
            (*keys, SEARCH),
            f"it maximizes {search.metric}, the report's metric, which is not at one of the "
            f"cutoffs {cutoffs}. Change one of them.",
        )


def _worded(space: Range) -> str:
    if isinstance(space, OneOf):
        return " | ".join(map(str, space.values))
    return f"{space.low:g} to {space.high:g}" + (" (log)" if space.log else "")


def _no_default(notebook: Notebook, generator: str | None) -> str:
    if generator is None:
        return f"name one generator of {notebook.path.name}, or write ranges."
    return f"{generator} has no settings to search that this file leaves open."


def _written(
    source: SweepFile, keys: tuple[str, ...], notebook: Notebook, generator: str | None
) -> Space:
    """Read ranges as they are written, each checked."""
    at, space = (*keys, SEARCH), {}
    asked = source.section(keys)[SEARCH]
    if not isinstance(asked, dict) or not asked:
        raise source.error(at, f"{_EXPECTED} for each setting, or `default`; got {asked!r}.")
    further = flat_settings.further_names(notebook, generator)
    known = [name for name in (*notebook.parameters, *further) if name not in _NEVER]
    for name, written in asked.items():
        if name in _NEVER:
            raise source.error((*at, name), f"{name!r} is not chosen by a search.")
        if name not in known:
            of = f" nor a setting of {generator}" if generator else ""
            message = f"neither a parameter of {notebook.path.name}{of}."
            raise source.error((*at, name), message + did_you_mean(name, known))
        for place in ("grid", None):
            beside = source.section((*keys, place) if place else keys)
            if name in beside:
                where = f"in the {place}" if place else "beside the search"
                raise source.error((*at, name), f"{name!r} is also given {where}.")
        try:
            space[name] = _range(written)
            _check_inside(notebook, generator, name, space[name])
        except CandgenError as error:
            raise source.error((*at, name), error) from None
    return space


def _range(written: Any) -> Range:
    """Read one range.

    Raises:
        SettingError: If it is none.
    """
    if isinstance(written, list):
        values = tuple(_plain(value) for value in written)
        if len(values) < 2 or grids.same_twice(values):
            raise SettingError(f"expected two or more different values, got {written!r}.")
        return OneOf(values)
    kinds = {"int": (Whole, int), "float": (Real, int | float)}
    named = [kind for kind in kinds if isinstance(written, dict) and kind in written]
    if len(named) != 1:
        raise SettingError(f"{_EXPECTED}, got {written!r}.")
    kind, number = kinds[named[0]]
    if unknown := written.keys() - {*named, "log", "step"}:
        key = min(unknown)
        raise SettingError(f"unknown key {key!r}.{did_you_mean(key, ['log', 'step'])}")
    ends = written[named[0]]
    ends = [number_or_text(end) for end in ends] if isinstance(ends, list) else []
    if len(ends) != 2 or not all(_is(end, number) for end in ends) or not ends[0] < ends[1]:
        raise SettingError(f"expected a lower and a higher number, got {written[named[0]]!r}.")
    log, step = written.get("log", False), number_or_text(written.get("step", 1))
    if not isinstance(log, bool):
        raise SettingError(f"log must be true or false, got {log!r}.")
    if log and ends[0] <= 0:
        raise SettingError(f"a range with log begins above 0, got {ends[0]!r}.")
    if "step" not in written:
        return kind(ends[0], ends[1], log)
    if log or not _is(step, number) or not 0 < step <= ends[1] - ends[0]:
        raise SettingError(f"step goes without log, from above 0 to the range's width; got {step}.")
    return kind(ends[0], ends[1], False, step)


def _check_inside(notebook: Notebook, generator: str | None, name: str, space: Range) -> None:
    """Check that the setting may have the values at both ends, or each of the listed ones."""
    values = space.values if isinstance(space, OneOf) else (space.low, space.high)
    if isinstance(space, Real):
        values = tuple(float(value) for value in values)
    for value in values:
        flat_settings.check(notebook, generator, name, value)
        if generator:
            flat_settings.check_field(generator, name, value)


def _is(value: Any, number: Any) -> bool:
    return isinstance(value, number) and not isinstance(value, bool)


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(held) for held in value]
    return number_or_text(value)
