"""An invented sweep with searches: their record, and the runs with the chosen settings."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from types import ModuleType
from typing import Any

WALS = {
    "dim": {"int": [8, 128], "log": True},
    "regularization": {"float": [0.001, 0.1], "log": True},
    "loss": ["squared", "<b>logistic</b>"],
}
EASE = {"regularization": {"float": [10, 1000], "log": True}}
DEFAULTS = {"dim": 64, "regularization": 0.01, "loss": "squared"}


def wals_trials(n: int = 30, seed: int = 3) -> list[dict[str, Any]]:
    """Trials of which `regularization` decides; every seventh is pruned, two fail."""
    rng = random.Random(seed)
    found = []
    for number in range(n):
        params = {
            "dim": round(8 * 16 ** rng.random()),
            "regularization": 0.001 * 100 ** rng.random(),
            "loss": rng.choice(WALS["loss"]),
        }
        params = DEFAULTS if number == 0 else params
        value = 0.85 - 0.05 * (math.log10(params["regularization"]) + 1.5) ** 2
        value += rng.gauss(0, 0.001)
        found.append(trial("wals", number, params, value))
        if number and number % 7 == 0:
            why = "below the median of the other trials at epoch 2"
            stopped = {"state": "pruned", "value": None, "why": why}
            found[-1] |= stopped | {"steps": [[1, 0.64], [2, 0.65]]}
        if number in (5, 12):
            found[-1] |= {"state": "failed", "value": None, "why": "MemoryError: <b>no</b> memory"}
    return found


def trial(run: str, number: int, params: dict[str, Any], value: float | None) -> dict[str, Any]:
    return {
        "number": number, "state": "done", "params": params, "value": value, "seconds": 12.0,
        "folder": f"trials/{run}/{number:03}", "steps": [], "why": "",
    }  # fmt: skip


def search(
    generator: str, space: dict[str, Any], trials: list[dict[str, Any]], final: list[str]
) -> dict[str, Any]:
    """The record of one search; the best finished trial is the chosen one."""
    best = max((t for t in trials if t["value"] is not None), key=lambda t: t["value"])
    states = [t["state"] for t in trials]
    return {
        "generator": generator, "metric": "recall@20", "direction": "maximize", "space": space,
        "sampler": "tpe", "pruning": "median", "seed": 1,
        "budget": {"trials": len(trials), "minutes": 20},
        "used": {"trials": len(trials), "seconds": sum(t["seconds"] for t in trials),
                 "pruned": states.count("pruned"), "failed": states.count("failed")},
        "trials": trials,
        "chosen": {"number": best["number"], "params": best["params"], "value": best["value"]},
        "final": final,
    }  # fmt: skip


def record(searches: dict[str, Any], readings: list[dict[str, Any]] | None = None) -> dict:
    return {"format": 1, "runs": searches, "test_readings": readings or []}


def reading(run: str, settings: str, day: str = "2026-11-27") -> dict[str, str]:
    return {"run": run, "dataset": "d" * 64, "settings": settings, "time": f"{day}T10:00:00+00:00"}


def build(builder: ModuleType, folder: Path) -> Path:
    """Write a sweep whose WALS (two seeds) and EASE were searched, and whose ItemKNN was not."""
    world = builder.build_dataset(folder / "datasets/world")
    builder.write_status(world.folder, "done")
    wals = search("WALS", WALS, wals_trials(), ["wals-seed1", "wals-seed2"])
    ridges = [100.0, 10.0, 30.0, 300.0, 1000.0]
    trials = [trial("ease", n, {"regularization": r}, 0.8 + 0.001 * r**0.5)
              for n, r in enumerate(ridges)]  # fmt: skip
    ease = search("EASE", EASE, trials, ["ease"])
    runs = {
        f"wals-seed{seed}": ("WALS", 1.4, seed, wals["chosen"]["params"]) for seed in (1, 2)
    } | {
        "ease": ("EASE", 1.41, 1, {"generator": "EASE", **ease["chosen"]["params"]}),
        "item-neighbours": ("ItemKNN", 1.0, 1, {"generator": "ItemKNN", "neighbours": 50}),
    }  # fmt: skip
    for name, (generator, skill, seed, params) in runs.items():
        builder.write_run(folder / name, world, generator, skill, params=params, seed=seed)
    for place in ("trials/wals/005", "trials/wals/001", f"trials/wals/{number_of(wals):03}"):
        (folder / place).mkdir(parents=True)
        (folder / place / "page.html").write_text("<!doctype html><title>trial</title>page")
        builder.write_status(folder / place, "done")
    builder.write_sweep(folder, {n: {**run[3], "seed": run[2]} for n, run in runs.items()})
    readings = [reading("ease", "a"), reading("wals", "a"), reading("wals", "b", "2026-11-28")]
    write(folder, record({"wals": wals, "ease": ease}, readings))
    return folder


def number_of(search: dict[str, Any]) -> int:
    return search["chosen"]["number"]


def write(folder: Path, held: Any) -> None:
    (folder / "search.json").write_text(json.dumps(held))
