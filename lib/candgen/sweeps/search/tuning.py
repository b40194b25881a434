"""A sweep without a file: one generator, whose own ranges are searched, beside popularity."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from candgen.errors import SettingError
from candgen.session import paths, runs
from candgen.sweeps import flat_settings
from candgen.sweeps.notebook_parameters import Notebook, read_notebook
from candgen.sweeps.plan import Plan, plan_of
from candgen.sweeps.sweepfile import SweepFile, parse_set

BASELINES = "15_baselines"


def plan(
    generator: str,
    dataset: str,
    budget: Mapping[str, Any],
    *,
    metric: str = "recall@20",
    seeds: str = "",
    evaluate_on: str = "test",
    parameters: Iterable[str] = (),
) -> Plan:
    """Plan the search of one generator's settings.

    Args:
        generator: Its name.
        dataset: Name or folder of a prepared dataset; the default world is prepared if need be.
        budget: Settings of the budget; those that are None have their defaults.
        metric: What is maximized on validation.
        seeds: Seeds of the chosen runs, with commas; empty: one run with the default.
        evaluate_on: What the chosen runs are judged on.
        parameters: `key=value` texts that hold for all trials and are not searched.

    Raises:
        SettingError: If there is no such generator, it has nothing to search, or a setting is
            wrong.
    """
    if not flat_settings.default_space(generator):
        raise SettingError(f"{generator} has no settings to search.")
    if not re.fullmatch(r"( *[0-9]+ *(, *[0-9]+ *)*)?", seeds):
        raise SettingError(f"--seeds takes whole numbers with commas, such as 1,2; got {seeds!r}.")
    runs.check_evaluate_on(evaluate_on)
    parsed = [parse_set(text) for text in parameters]
    fixed = {key: str(value) if isinstance(value, str) else value for key, value, _ in parsed}
    folder = paths.find_dataset(dataset)
    described: dict[str, Any] = {
        "question": f"Which settings should {generator} have on {Path(dataset).name}?",
        "defaults": {"dataset": str(folder or dataset), "evaluate_on": evaluate_on},
        "runs": {
            "popularity": {"notebook": _path(BASELINES), "generator": "popularity"},
            generator.rpartition(":")[2]: {
                "notebook": _path(notebook_of(generator).name), "generator": generator,
                "search": "default", **fixed,
            },
        },
        "budget": {name: value for name, value in budget.items() if value is not None},
        "report": {"metric": metric, "title": f"{generator} on {Path(dataset).name}"},
    }  # fmt: skip
    if folder is None and dataset == runs.DEFAULT_DATASET:
        described["datasets"] = {dataset: {"source": dataset}}
    if seeds.strip():
        described["seeds"] = [int(seed) for seed in seeds.split(",")]
    name = re.sub(r"[^A-Za-z0-9._]+", "-", f"tune-{generator}-{Path(dataset).name}")
    return plan_of(SweepFile(Path(f"{name}.yaml"), yaml.safe_dump(described, sort_keys=False)))


def notebook_of(generator: str) -> Notebook:
    """Return the notebook whose parameter `generator` names a generator; else the one of baselines.

    It is the first whose default or whose comment names it.
    """
    word = re.compile(rf"(?<![\w-]){re.escape(generator)}(?![\w-])")
    for path in sorted((paths.project_root() / "notebooks").glob("*.ipynb")):
        found = read_notebook(path)
        asked = found.parameters.get(flat_settings.GENERATOR)
        known = asked is not None and flat_settings.SETTINGS in found.parameters
        if known and (asked.default == generator or word.search(asked.help)):
            return found
    return read_notebook(paths.project_root() / _path(BASELINES))


def _path(name: str) -> str:
    return f"notebooks/{name}.ipynb"
