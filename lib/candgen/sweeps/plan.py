"""Plan of a sweep: datasets first, then runs, then the report.

Reading a plan checks everything that can be known beforehand: spelling, types, names of folders,
datasets and files. Nothing is executed or written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from candgen.errors import CandgenError, SettingError, did_you_mean
from candgen.reports import disclosures
from candgen.session import paths
from candgen.sweeps import backtests, effects, flat_settings, grids, nested_settings, stage_options
from candgen.sweeps.beforehand import check_all, dataset_fault, name_fault
from candgen.sweeps.notebook_parameters import Notebook, Parameter, number_or_text, read_notebook
from candgen.sweeps.search import asked, budgets
from candgen.sweeps.search.asked import Search
from candgen.sweeps.stage_options import DEFAULT_RETRIES, Retries
from candgen.sweeps.sweepfile import CallerText, SweepFile, parse_set

PREPARATION = "notebooks/10_prepare_data.ipynb"
DEFAULT_REPORT = {
    "notebook": "notebooks/90_compare_runs.ipynb",
    "title": None,
    "metric": "recall@20",
    "baseline": "popularity",
    "margin": 0.005,
    "disclosures": {},
}

_TOP = (
    "question", "notebook", "settings", "datasets", "defaults", "seeds", "runs", "report",
    "minutes", "explore", "retries", "datasets_at", "budget",
)  # fmt: skip
_OF_A_RUN = ("notebook", "grid", "search", "minutes", "explore", "retries")
_METRIC = re.compile(r"[a-z_]+@[1-9]\d*")
_TAKEN = ("datasets", "report", "tables", "trials")
_NO_SWEEP = ("datasets", "scratch", "bench", "runs")


@dataclass(frozen=True)
class Stage:
    """One notebook to execute into one folder."""

    kind: Literal["dataset", "run"]
    name: str
    notebook: Notebook
    written: dict[str, Any]
    """Parameters and settings as a person wrote them: flat, defaults included."""
    parameters: dict[str, Any]
    """Parameters as the notebook gets them: absolute paths, folders of datasets, and further
    settings of its generator inside `settings`."""
    differs: dict[str, Any]
    """Parameters and settings of its own entry, without the sweep's defaults."""
    folder: Path
    minutes: float
    dataset: str | None = None
    """The dataset it reads, as written."""
    needs: str | None = None
    """That dataset, if this sweep prepares it."""
    inputs: dict[str, Path] = field(default_factory=dict)
    """Files and folders that parameters name."""
    explore: bool = False
    """Whether cells tagged `explore` are executed, too."""
    retries: Retries = DEFAULT_RETRIES
    """How often it is tried again after a death or an error."""

    @property
    def title(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True)
class Plan:
    """A sweep, resolved."""

    name: str
    file: Path
    question: str
    folder: Path
    datasets: list[Stage]
    runs: list[Stage]
    report: dict[str, Any]
    overrides: list[str]
    searches: list[Search] = field(default_factory=list)
    """Searches that choose the settings of some of the runs, planned here as without them."""
    datasets_at: str | None = None
    """URL of a storage through which datasets reach the workers of a cluster."""

    @property
    def stages(self) -> list[Stage]:
        return [*self.datasets, *self.runs]

    def with_retries(self, deaths: int) -> Plan:
        """Return the plan with another number of retries after a death, for all stages."""

        def changed(stages: list[Stage]) -> list[Stage]:
            return [replace(s, retries=replace(s.retries, deaths=deaths)) for s in stages]

        searches = [replace(s, finals=tuple(changed([*s.finals]))) for s in self.searches]
        return replace(
            self, datasets=changed(self.datasets), runs=changed(self.runs), searches=searches
        )


def read_plan(file: Path | str, overrides: Iterable[str] = (), *, tune: int | None = None) -> Plan:
    """Read a sweep's YAML and resolve it.

    Args:
        file: The YAML. The sweep is called after it.
        overrides: `key=value` texts: a key of `settings`, else a parameter of the runs' notebooks
            or a setting of their generators (it replaces the default), else a dotted key such as
            `datasets.films.path`.
        tune: Trials for the search of each run, those without a `search:` of their own included.

    Raises:
        SettingError: If anything in it is misspelt, of the wrong type or contradictory.
        DataError: If a notebook or a file that it names is missing or not what it should be.
    """
    return plan_of(SweepFile(Path(file)), overrides, tune=tune)


def plan_of(source: SweepFile, overrides: Iterable[str] = (), *, tune: int | None = None) -> Plan:
    """Resolve a sweep whose YAML was read; see `read_plan`."""
    return _Reader(source, paths.project_root(), list(overrides), tune).plan()


class _Reader:
    """Turns one YAML into stages; keeps the notebooks it has read."""

    def __init__(
        self, source: SweepFile, root: Path, overrides: list[str], tune: int | None
    ) -> None:
        self.source = source
        self.root = root
        self.overrides = overrides
        self.tune = tune
        self.searches: list[Search] = []
        self.notebooks: dict[str, Notebook] = {}
        self.effects: dict[tuple[str, str | None, bool], set[str]] = {}
        self.n_runs = 0
        self.name = source.path.stem
        self.folder = root / "outputs" / self.name

    def plan(self) -> Plan:
        source = self.source
        if fault := name_fault(self.name, _NO_SWEEP):
            raise SettingError(f"{source.path}: the name of a sweep {fault}")
        source.check_keys((), _TOP)
        if not source.section(("runs",)):
            raise source.error(("runs",), "a sweep needs at least one run.")
        for text in self.overrides:
            self._override(*parse_set(text))
        source.use_settings()
        backtests.expand(source)
        grids.check_sizes(source)
        datasets = [self._dataset(name) for name in source.section(("datasets",))]
        self._check_defaults()
        self.report = self._report()
        self.budget = budgets.read_budget(source, trials=self.tune)
        runs = [stage for name in source.section(("runs",)) for stage in self._runs(name)]
        self._check_unique("datasets", datasets)
        self._check_unique("runs", runs)
        return Plan(
            self.name,
            source.path.resolve(),
            str(source.values.get("question") or ""),
            self.folder,
            datasets,
            runs,
            self.report,
            self.overrides,
            self.searches,
            stage_options.datasets_at(source),
        )

    # --- overrides

    def _override(self, key: str, value: Any, typed: str) -> None:
        source = self.source
        settings = source.section(("settings",))
        keys = tuple(key.split("."))
        takers = self._taken(strict=False)
        if key in settings:
            source.put(("settings", key), value, typed)
        elif key in takers:
            source.put(("defaults", key), value, typed)
        elif keys[0] in _TOP and (len(keys) > 1 or not isinstance(source.values.get(key), dict)):
            source.put(keys, value, typed)
        else:
            known = {*settings, *takers, *_TOP}
            raise SettingError(
                f"--set {key}: neither a setting of {source.path.name}, nor a parameter of its "
                f"notebooks or generators, nor a dotted key.{did_you_mean(key, known)}"
            )

    # --- notebooks and parameters

    def _notebook(self, run: str) -> Notebook:
        keys: tuple[str, ...] = ("runs", run, "notebook")
        path = self.source.section(("runs", run)).get("notebook")
        if path is None:
            keys, path = ("notebook",), self.source.values.get("notebook")
        if not isinstance(path, str):
            raise self.source.error(
                ("runs", run), "no notebook: give it `notebook:`, or one at the top for all runs."
            )
        return self._read(path, keys)

    def _read(self, path: str, keys: tuple[str, ...]) -> Notebook:
        if path not in self.notebooks:
            try:
                self.notebooks[path] = read_notebook(self._resolve(path))
            except CandgenError as error:
                raise self.source.error(keys, error) from None
        return self.notebooks[path]

    def _check_defaults(self) -> None:
        known = self._taken()
        for name in self.source.section(("defaults",)):
            if name not in known:
                message = f"no notebook or generator of this sweep has a parameter {name!r}."
                raise self.source.error(("defaults", name), message + did_you_mean(name, known))

    def _taken(self, *, strict: bool = True) -> set[str]:
        """Return the names of all parameters and settings that some run takes."""
        taken = set()
        for name in self.source.section(("runs",)):
            notebook = self._notebook(name)
            taken |= notebook.parameters.keys()
            for generator in self._generators(notebook, name, strict=strict):
                taken |= set(flat_settings.further_names(notebook, generator))
        return taken

    def _generators(self, notebook: Notebook, run: str, *, strict: bool = True) -> list[str | None]:
        """Return the generators of a run: one, or one for each choice of its grid."""
        entry, key = self.source.section(("runs", run)), flat_settings.GENERATOR
        choices = self.source.section(("runs", run, "grid")).get(key)
        written = {**self.source.section(("defaults",)), **entry}
        found = []
        for name in choices if isinstance(choices, list) else [written.get(key)]:
            values = {} if name is None else {key: name}
            try:
                found.append(flat_settings.generator_of(notebook, values))
            except CandgenError as error:
                if strict:
                    raise self.source.error(("runs", run, key), error) from None
        return found

    def _checked(
        self,
        notebook: Notebook,
        keys: tuple[str, ...],
        name: str,
        value: Any,
        generators: Iterable[str | None] = (),
        place: int | None = None,
    ) -> Any:
        """Check one value of `name` below `keys`, or the one at a place of the list there."""
        if name == "run_folder":
            raise self.source.error((*keys, name), "the sweep sets it; leave it out.")
        takers = [g for g in generators if name in flat_settings.further_names(notebook, g)]
        generator = next(iter([*takers, *generators]), None)
        at = () if place is None else (str(place),)
        typed = self.source.typed((*keys, name, *at))
        try:
            return flat_settings.check(notebook, generator, name, value, typed)
        except CandgenError as error:
            raise self.source.error((*keys, name), error) from None

    def _resolve(self, value: str) -> Path:
        base = Path.cwd() if isinstance(value, CallerText) else self.root
        return (base / Path(value).expanduser()).resolve()

    def _input(self, keys: tuple[str, ...], parameter: Parameter, value: Any) -> Path | None:
        if not parameter.is_path or not isinstance(value, str) or not value:
            return None
        found = self._resolve(value)
        if not (found.is_file() or found.is_dir()):  # a device never ends
            raise self.source.error(
                (*keys, parameter.name),
                f"no file or folder {value!r} (looked for {found}). Paths in the YAML count from "
                "the project's root, those of --set from where you are.",
            )
        return found

    # --- stages

    def _dataset(self, name: str) -> Stage:
        keys = ("datasets", name)
        if fault := name_fault(name):
            raise self.source.error(keys, f"the name of a dataset {fault}")
        notebook = self._read(PREPARATION, keys)
        given = self.source.section(keys)
        if "name" in given:
            raise self.source.error((*keys, "name"), "the dataset is called after its key.")
        folder = self.folder / "datasets" / name
        stage = self._stage("dataset", name, notebook, {}, given, keys, folder)
        if fault := dataset_fault(stage, f"--set datasets.{name}."):
            raise self.source.error(keys, fault)
        return stage

    def _runs(self, name: str) -> Iterator[Stage]:
        keys = ("runs", name)
        entry = self.source.section(keys)
        notebook = self._notebook(name)
        own = {key: value for key, value in entry.items() if key not in _OF_A_RUN}
        generators = self._generators(notebook, name)
        further = {key for g in generators for key in flat_settings.further_names(notebook, g)}
        known = {*notebook.parameters, *further}
        for key in own.keys() - known:
            named = " or ".join(dict.fromkeys(filter(None, generators)))
            message = f"neither a parameter of {notebook.path.name}"
            message += f", nor a setting of {named}," if named else ""
            message += f" nor one of {', '.join(_OF_A_RUN)}."
            raise self.source.error((*keys, key), message + did_you_mean(key, [*known, *_OF_A_RUN]))
        written = self.source.section(("defaults",))
        defaults = {key: value for key, value in written.items() if key in known}
        for key, value in defaults.items():
            defaults[key] = self._checked(notebook, ("defaults",), key, value, generators)

        def checked(at: tuple[str, ...], key: str, value: Any, place: int | None = None) -> Any:
            return self._checked(notebook, at, key, value, generators, place)

        grid = grids.grid_axes(self.source, keys, own, checked)
        takes_seed = "seed" in notebook.parameters and "seed" not in own
        seeds = grids.seed_axes(self.source, keys, checked, takes_seed=takes_seed)
        self.n_runs += grids.size([*grid, *seeds])
        grids.check_runs(self.source, name, self.n_runs)
        for point, choice in grids.points(grid):
            differs = {**own, **choice}
            values = {**defaults, **differs}
            space = asked.read_space(
                self.source, keys, notebook, values, self.budget, every=self.tune is not None
            )
            self._check_effects(notebook, keys, values, space)
            stages = []
            for ending, seed in grids.points(seeds):
                whole = name + point + ending
                if fault := name_fault(whole, _TAKEN):
                    raise self.source.error(keys, f"the name of a run {fault}")
                given = (defaults, {**differs, **seed}, keys, self.folder / whole)
                stages.append(self._stage("run", whole, notebook, *given))
            if space:
                metric = self.report["metric"]
                search = Search(name + point, space, tuple(stages), self.budget, metric)
                asked.check_search(self.source, keys, search)
                self.searches.append(search)
            yield from stages

    def _check_effects(
        self,
        notebook: Notebook,
        keys: tuple[str, ...],
        values: dict[str, Any],
        searched: Iterable[str],
    ) -> None:
        """Refuse a grid over what changes nothing in the results: its rows would be the same."""
        generator = flat_settings.generator_of(notebook, values)
        explore = stage_options.explore(self.source, keys)
        several = {n for n, v in self.source.section((*keys, "grid")).items() if len(v) > 1}
        several |= set(searched)
        known = (notebook.name, generator, explore)
        if several and known not in self.effects:
            self.effects[known] = effects.effective(notebook, generator, explore=explore)
        for name in sorted(several - self.effects.get(known, several)):
            why = effects.refusal(notebook, generator, name, explore=explore)
            place = "search" if name in searched else "grid"
            raise self.source.error((*keys, place, name), why)

    def _stage(self, kind, name, notebook, defaults, differs, keys, folder) -> Stage:
        generator = flat_settings.generator_of(notebook, {**defaults, **differs})
        differs = {
            key: self._checked(notebook, keys, key, value, [generator])
            for key, value in differs.items()
        }
        taken = {*notebook.parameters, *flat_settings.further_names(notebook, generator)}
        written = {key: value for key, value in defaults.items() if key in taken} | differs
        try:
            parameters, inputs = flat_settings.nested(notebook, _plain(written)), {}
            nested_settings.check(notebook, parameters)
        except CandgenError as error:
            raise self.source.error(keys, error) from None
        for key, value in written.items():
            if key not in notebook.parameters:
                continue
            if found := self._input(keys, notebook.parameters[key], value):
                parameters[key], inputs[key] = str(found), found
        dataset = needs = None
        if kind == "dataset" and "name" in notebook.parameters:
            parameters["name"] = name
        if kind == "run" and "dataset" in notebook.parameters:
            dataset = str(written.get("dataset", notebook.parameters["dataset"].default))
            where, needs = self._dataset_folder(dataset, written.get("dataset"), keys)
            parameters["dataset"] = str(where)
        plain = {key: _plain(value) for key, value in parameters.items()}
        source, at = self.source, keys if kind == "run" else ()
        made = Stage(
            kind, name, notebook, _plain(written), plain, _plain(differs), folder,
            stage_options.minutes(source, at), dataset, needs, inputs,
            stage_options.explore(source, at), stage_options.retries(source, at),
        )  # fmt: skip
        try:
            made = check_all(made)
            return flat_settings.check_generators(made)
        except CandgenError as error:
            raise self.source.error(keys, error) from None

    def _dataset_folder(
        self, name: str, given: str | None, keys: tuple[str, ...]
    ) -> tuple[Path, str | None]:
        prepared_here = self.source.section(("datasets",))
        if name in prepared_here:
            return self.folder / "datasets" / name, name
        found = paths.find_dataset(given or name)
        if found is None:
            known = [*prepared_here, *paths.dataset_names()]
            raise self.source.error(
                (*keys, "dataset"),
                f"no dataset {name!r}: neither under `datasets:` nor prepared before."
                f"{did_you_mean(name, known)} Add it, for instance "
                f"`datasets: {{{name}: {{source: world}}}}`.",
            )
        return found, None

    # --- the rest

    def _report(self) -> dict[str, Any]:
        self.source.check_keys(("report",), DEFAULT_REPORT)
        report = {**DEFAULT_REPORT, **self.source.section(("report",))}
        report["margin"] = margin = number_or_text(report["margin"])
        if isinstance(margin, bool) or not isinstance(margin, int | float) or not margin >= 0:
            message = f"expected a number of 0 or more, got {margin!r}."
            raise self.source.error(("report", "margin"), message)
        if not isinstance(report["metric"], str) or not _METRIC.fullmatch(report["metric"]):
            message = (
                f"expected a metric with its cut-off, such as recall@20, got {report['metric']!r}."
            )
            raise self.source.error(("report", "metric"), message)
        at = ("report", "disclosures")
        report["disclosures"] = given = self.source.section(at)
        for key, text in given.items():
            if said := disclosures.fault(key, text):
                raise self.source.error((*at, key), said)
        if "notebook" in self.source.section(("report",)):
            self._check_report_notebook(report["notebook"])
        return _plain(report)

    def _check_report_notebook(self, path: Any) -> None:
        """A report's notebook reads a sweep and is told where to write."""
        at = ("report", "notebook")
        if not isinstance(path, str):
            raise self.source.error(at, f"expected the path of a notebook, got {path!r}.")
        notebook = self._read(path, at)
        if missing := [name for name in ("sweep", "run_folder") if name not in notebook.parameters]:
            raise self.source.error(
                at,
                f"{notebook.path.name} makes no report: it lacks the parameters {missing}.",
            )

    def _check_unique(self, section: str, stages: list[Stage]) -> None:
        seen: set[str] = set()
        for stage in stages:
            folder = stage.name.casefold()  # some file systems do not tell A from a
            if folder in seen:
                message = f"two of them would share the folder {stage.name!r}. Rename one."
                raise self.source.error((section,), message)
            seen.add(folder)


def _plain(value: Any) -> Any:
    """Drop what marks a text as typed by the caller."""
    if isinstance(value, dict):
        return {key: _plain(held) for key, held in value.items()}
    if isinstance(value, list):
        return [_plain(held) for held in value]
    return str(value) if isinstance(value, CallerText) else value
