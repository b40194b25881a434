"""A count of bad inputs: each is refused by name, or read right; none costs much.

Files and folders are damaged at random, and arguments are chosen to be wrong. Each goes to the
readers, or to the command line, in a process of its own, which would show a crash. What is read in
spite of damage is compared with a second reading, or with what the undamaged input says.
"""

from __future__ import annotations

import csv
import gzip
import importlib.util
import io
import json
import math
import shutil
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml

from candgen.serving.export import export
from damage import changed, damaged, hurt
from faults import bad_arguments
from faults.project import say
from serving.ask_apart import Asker
from serving.odd_project import make_project_in

ROOT = Path(__file__).resolve().parents[2]
MOST_SECONDS, MOST_MIB = 10, 500  # of one input: processor time, and growth of the process
EVENTS = (
    b"user,item,rating,timestamp\n1,10,4,1700000000\n1,20,3.5,1700000100\n"
    b'2,10,1,1700000200\n"3",30,2,1700000300\n'
)
FILMS = {
    "ratings.csv": b"userId,movieId,rating,timestamp\n1,10,4.0,964982703\n2,20,0.5,96\n",
    "movies.csv": b'movieId,title,genres\n10,"Toy, The (1995)",Comedy|War\n20,X,(none)\n',
}
SWEEP = """\
question: Which one finds more?
notebook: notebooks/15_baselines.ipynb
settings: {size: 30}
datasets:
  small: {source: world, n_users: "${size}"}
defaults: {dataset: small, k: 50, cutoffs: [10, 20]}
runs:
  a: {generator: popularity}
  b: {generator: ItemKNN, grid: {neighbours: [2, 4]}}
seeds: [1, 2]
report: {title: "A, 'B'", margin: 1e-3}
"""


KINDS = (
    "tables", "packed_tables", "archives", "lists", "sweep_files", "notebooks", "folders_of_ours",
    "arguments",
)  # fmt: skip


class Input(NamedTuple):
    """One bad input, written to disk just before it is asked about."""

    kind: str
    what: str
    """Fault in it, for the reader of a failure."""
    call: tuple[Any, ...]
    """Name of a call of `serving/asker.py`, and its arguments."""
    right: Callable[[Any], bool] | None = None
    """Tells whether it was read right; None if it must be refused."""
    sound: bool = False
    """Tells whether nothing is wrong with it, so that it must be read."""


class Inputs:
    """All bad inputs, made in a folder.

    Args:
        folder: An empty one.
        count: Of damaged files a kind.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self.folder, self.count = folder, count
        self.builder = _module(ROOT / "tests" / "reports" / "builder.py")
        self.data = self.builder.build_dataset(folder / "dataset", n_users=20, n_items=40).folder
        self.project = make_project_in(folder / "project")
        for name in ("notebooks", "params"):
            shutil.rmtree(self.project / name)
            shutil.copytree(ROOT / name, self.project / name)

    def of(self, kinds: Sequence[str]) -> Iterator[Input]:
        """Make the inputs of some kinds, one after the other."""
        for kind in kinds:
            say(f"{kind} ...")
            yield from getattr(self, kind)()

    def rng(self, kind: str) -> np.random.Generator:
        return np.random.default_rng(zlib.crc32(kind.encode()))

    def tables(self) -> Iterator[Input]:
        path, rng = self.folder / "events.csv", self.rng("tables")
        for whole in (EVENTS, EVENTS.replace(b"\n", b"\r\n")):
            for _ in range(self.count):
                made = damaged(whole, rng)
                path.write_bytes(made)
                yield Input(
                    "table", shown(made), ("table", path, {}), lambda v, m=made: is_second(v, m)
                )

    def packed_tables(self) -> Iterator[Input]:
        rng = self.rng("packed")
        held = io.BytesIO()
        with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("events.csv", EVENTS * 3)
        right = {"events.csv.zip": held.getvalue(), "events.csv.gz": gzip.compress(EVENTS)}
        for name, whole in right.items():
            for _ in range(self.count):
                made = damaged(whole, rng)
                (self.folder / name).write_bytes(made)
                plain = EVENTS * 3 if name.endswith("zip") else EVENTS
                yield Input(
                    "packed table", f"{name} {shown(made)}", ("table", self.folder / name, {}),
                    lambda v, p=plain, m=made: m == p or is_second(v, p),
                )  # fmt: skip

    def archives(self) -> Iterator[Input]:
        path, rng, held = self.folder / "ml.zip", self.rng("archives"), io.BytesIO()
        with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in FILMS.items():
                archive.writestr(f"ml-tiny/{name}", text)
        rows = [line.split(",") for line in FILMS["ratings.csv"].decode().splitlines()[1:]]
        pairs = [tuple(map(float, row)) for row in rows]

        def right(found: str) -> bool:
            lines = list(csv.DictReader(io.StringIO(found)))
            names = ("user", "item", "rating", "timestamp")
            return [tuple(float(line[n]) for n in names) for line in lines] == pairs

        for _ in range(2 * self.count):
            made = damaged(held.getvalue(), rng)
            path.write_bytes(made)
            yield Input("zip of films", shown(made), ("movielens", path), right)

    def lists(self) -> Iterator[Input]:
        path, rng = self.folder / "lists.csv", self.rng("lists")
        for text in bad_arguments.LISTS:
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
            yield Input("list", shown(text), ("lists", path, self.data))
        whole = b"user,item,rank\nu1,104,1\nu0,103,2\nu0,102,1\n"
        for _ in range(self.count):
            made = damaged(whole, rng)
            path.write_bytes(made)
            yield Input(
                "list", shown(made), ("lists", path, self.data), lambda v, m=made: is_list(v, m)
            )

    def sweep_files(self) -> Iterator[Input]:
        path, rng = self.project / "params" / "bad.yaml", self.rng("sweeps")
        for text in (SWEEP, bad_arguments.SOUND):
            path.write_text(text)
            yield Input("sound YAML", "", ("plan", path, self.project), lambda v: True, sound=True)
        for text in bad_arguments.SWEEPS:
            path.write_text(text)
            yield Input("YAML", shown(text), ("plan", path, self.project))
        for change, value in bad_arguments.SWEEP_CHANGES:
            path.write_text(SWEEP.replace(change, value))
            yield Input("YAML", value[:80], ("plan", path, self.project))
        path.write_text(SWEEP)
        for text in bad_arguments.SETTINGS:
            yield Input("--set", text[:80], ("plan", path, self.project, text))
        for _ in range(2 * self.count):
            made = damaged(SWEEP.encode(), rng)
            path.write_bytes(made)
            yield Input(
                "YAML", shown(made), ("plan", path, self.project), lambda v, m=made: is_yaml(v, m)
            )

    def notebooks(self) -> Iterator[Input]:
        path, rng = self.folder / "odd.ipynb", self.rng("notebooks")
        whole = (ROOT / "notebooks" / "15_baselines.ipynb").read_bytes()
        for source in bad_arguments.PARAMETER_CELLS:
            path.write_text(one_cell(source))
            yield Input("notebook", shown(source), ("notebook", path))
        for turn in range(2 * self.count):
            if turn % 2:
                made = json.dumps(changed(json.loads(whole), rng)).encode()
            else:
                made = damaged(whole, rng)
            path.write_bytes(made)
            yield Input("notebook", shown(made), ("notebook", path), lambda v: isinstance(v, list))

    def folders_of_ours(self) -> Iterator[Input]:
        """Damage to datasets, exported folders, indexes and sweeps, none of it signed."""
        sweep = self.folder / "sweep"
        data = self.builder.build_dataset(sweep / "datasets/world", n_users=20, n_items=40)
        for name, skill in (("a", 1.0), ("b", 1.4)):
            self.builder.write_run(sweep / name, data, name.upper(), skill, params={"dim": 4})
        self.builder.write_sweep(sweep, {"a": {"dim": 4}, "b": {"dim": 4}})
        exported = {}
        for kind, settings in (("annoy", {"trees": 3}), ("faiss-ivf", {"lists": 6}), ("exact", {})):
            run = self.project / "outputs" / "asked" / "wals"
            exported[kind] = export(str(run), self.folder / kind, kind=kind, settings=settings)
        user = ("--user", "u/3")
        kinds = [
            ("dataset", self.data, "dataset", ()), ("sweep", sweep, "report", ()),
            *(("exported folder", folder, "candidates", user) for folder in exported.values()),
            ("index", exported["annoy"] / "index", "index", ()),
            ("index", exported["faiss-ivf"] / "index", "index", ()),
        ]  # fmt: skip
        asker = Asker()
        for kind, whole, call, more in kinds:
            expected, rng = asker.ask(call, whole, *more), self.rng(f"{kind}{whole.name}")
            if expected[0] != "right":
                raise AssertionError(f"the undamaged {kind} is not read: {expected}")
            folder = self.folder / "hurt"
            for _ in range(self.count):
                shutil.rmtree(folder, ignore_errors=True)
                shutil.copytree(whole, folder)
                wanted = "*.json" if kind == "sweep" and rng.random() < 0.7 else "*"
                what = hurt(folder, rng, wanted)
                # A report reads what people may edit, so its text alone proves nothing.
                right = (lambda v: True) if kind == "sweep" else lambda v, e=expected: v == e[1]
                yield Input(kind, str(what), (call, folder, *more), right)
        asker.close()

    def arguments(self) -> Iterator[Input]:
        places = {"data": self.data, "folder": self.folder, "project": self.project}
        (self.folder / "empty").mkdir()
        (self.folder / "text.txt").write_text("text")
        (self.folder / "odd.ipynb").write_text(one_cell(bad_arguments.PARAMETER_CELLS[0]))
        for line in bad_arguments.COMMANDS:
            arguments = [part.format(**places) for part in line]
            yield Input("arguments", " ".join(line)[:100], ("command", self.project, *arguments))


def recount(
    folder: Path,
    count: int,
    kinds: Sequence[str] = (),
    tell: Callable[[str], None] = say,
) -> Counter[str]:
    """Ask about all bad inputs; return the counts.

    Args:
        folder: An empty one.
        count: Of damaged files a kind.
        kinds: Names of `KINDS` to ask about; all by default.
        tell: Called with a line for each input that ended as it should not.
    """
    counts: Counter[str] = Counter()
    largest = {"seconds": (0.0, ""), "MiB": (0.0, "")}
    asker = Asker()
    for bad in Inputs(folder, count).of(kinds or KINDS):
        try:
            end, value = asker.ask(*bad.call)
        except KeyboardInterrupt:
            tell(f"stopped at {bad.kind}, {bad.what}")
            break
        seconds, mib = asker.ask("cost")[1] if end != "crash" else (0.0, 0.0)
        fault = {"fault": "traceback", "crash": "crash"}.get(end, "")
        if end == "right" and (bad.right is None or not reads(bad.right, value)):
            fault = "wrongly accepted"
        if bad.sound and end == "refused":
            raise AssertionError(f"what the bad inputs are made from is refused: {value}")
        if end == "refused" and len(value) < 20:
            fault = "no cause named"
        slow = f"over {MOST_SECONDS} s" if seconds > MOST_SECONDS else ""
        wide = f"over {MOST_MIB} MiB" if mib > MOST_MIB else ""
        for name in filter(None, (fault, slow, wide)):
            counts[name] += 1
            tell(f"{name}: {bad.kind}, {bad.what}: {str(value)[-1500:]}")
        counts["bad inputs"] += not bad.sound
        counts[f"{bad.kind}: {'read right' if end == 'right' else end}"] += 1
        for name, cost in (("seconds", seconds), ("MiB", mib)):
            largest[name] = max(largest[name], (cost, f"{bad.kind}, {bad.what[:60]}"))
    asker.close()
    for name, (most, which) in largest.items():
        tell(f"at most {most:.1f} {name}: {which}")
    return counts


FAULTS = (
    "traceback", "crash", "wrongly accepted", "no cause named", f"over {MOST_SECONDS} s",
    f"over {MOST_MIB} MiB",
)  # fmt: skip


# --- second readings


def reads(right: Callable[[Any], bool], value: Any) -> bool:
    """Tell whether a second reading agrees; one that fails does not."""
    try:
        return right(value)
    except Exception:
        return False


def is_second(found: dict[str, list], content: bytes) -> bool:
    """Compare a table with Python's own reading of its text."""
    head, *rows = _cells(content)
    place = {name.strip(): n for n, name in enumerate(head)}
    return all(
        values == [int(row[place[name]]) if isinstance(value, int) else row[place[name]]
                   for row, value in zip(rows, values, strict=True)]
        for name, values in found.items()
    )  # fmt: skip


def is_list(found: list, content: bytes) -> bool:
    """Compare candidate lists with Python's own reading: items of each user, by rank or score."""
    head, *rows = _cells(content)
    names = [name.strip().lower() for name in head]
    sides = {n: names.index(n) if n in names else names.index(f"{n}_id") for n in ("user", "item")}
    by_user: dict[int, list] = {}
    for place, row in enumerate(rows):
        rank = float(row[names.index("rank")]) if "rank" in names else place
        user = int(row[sides["user"]].strip().removeprefix("u"))
        by_user.setdefault(user, []).append((rank, int(float(row[sides["item"]])) - 100))
    mine = [[item for _, item in sorted(by_user[user])] for user in found[0]]
    theirs = [[item for item in items if item >= 0] for items in found[1]]
    ranks = [rank for held in by_user.values() for rank, _ in held]
    return mine == theirs and len(by_user) == len(found[0]) and all(map(math.isfinite, ranks))


def is_yaml(question: str, content: bytes) -> bool:
    """Compare the question of a plan with PyYAML's own reading, `${size}` put in."""
    held = yaml.safe_load(content.decode("utf-8-sig"))
    size = str((held.get("settings") or {}).get("size"))
    return question == str(held.get("question") or "").replace("${size}", size)


def _cells(content: bytes) -> list[list[str]]:
    text = content.decode().removeprefix("\ufeff")
    delimiter = max(",;\t|", key=text.splitlines()[0].count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    return [row for row in rows if row]


def one_cell(source: str) -> str:
    """Return a notebook of a parameters cell alone."""
    cell = {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": source}
    return json.dumps({"cells": [cell], "nbformat": 4, "nbformat_minor": 5})


def shown(content: bytes | str) -> str:
    """Return the beginning of a bad input, for a failure's reader."""
    return repr(content[:300])


def _module(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
