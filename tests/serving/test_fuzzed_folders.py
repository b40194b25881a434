"""Folders from elsewhere, damaged at random: each is read right or refused, and ends no process.

Half of the damage is signed: whoever changed a file on purpose has written its digest, too. Then no
answer is the right one, but nothing may crash, and what comes out must be well formed.

`CANDGEN_FUZZ` is the number of damaged files a test (40 by default); of folders, a quarter of it.
"""

import json
import shutil
import zlib
from collections import Counter

import numpy as np
import pytest

from candgen import files
from candgen.serving.export import export
from candgen.serving.reader_files import digest_of
from damage import COUNT, hurt
from serving.ask_apart import Asker

KINDS = {
    "exact": {}, "annoy": {"trees": 3}, "bands": {"trees": 2, "bands": 2, "parts": 2},
    "faiss-flat": {}, "faiss-ivf": {"lists": 6}, "faiss-hnsw": {"links": 4}, "faiss-pq": {},
}  # fmt: skip
USER = "u/3"
FOLDERS = max(COUNT // 4, 1)  # each costs as much as dozens of files


@pytest.fixture(scope="module")
def asker():
    made = Asker()
    yield made
    made.close()


def survive(tmp_path, wholes, damage, call, right, signed_is_right=None):
    """Damage copies of folders and ask each time; print how often it ended how."""
    rng, ends = np.random.default_rng(zlib.crc32(tmp_path.name.encode())), Counter()
    for turn in range(FOLDERS):
        whole = wholes[turn % len(wholes)]
        folder = tmp_path / "folder"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(whole, folder)
        signed, what = damage(folder, rng)
        end, value = call(folder)
        ends[end, signed] += 1
        assert end in ("right", "refused"), (whole.name, what, signed, end, value)
        if end == "refused":
            assert len(value) > 20 and "Traceback" not in value, (what, value)
        elif signed:
            assert signed_is_right is None or signed_is_right(value), (whole.name, what, value)
        else:
            assert right(whole, value), (whole.name, what, value)
    for (end, signed), n in sorted(ends.items()):
        print(f"FUZZ {tmp_path.name}: {n} {end}{' though signed' if signed else ''}")


@pytest.fixture(scope="module")
def exported(make_project, tmp_path_factory):
    """The same run, exported with each kind of index."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("fuzz")
        project = make_project(home / "project")
        patch.chdir(project)
        folders = []
        for name, settings in KINDS.items():
            kind = "annoy" if name == "bands" else name
            folders.append(export("asked/wals", home / name, kind=kind, settings=settings))
    return folders


def sign(folder, name):
    """Write the digest of a changed file into `export.json`."""
    path, about = folder / name, folder / "export.json"
    try:
        said = files.read_json(about)
        said["files"][name] = {"size": path.stat().st_size, "digest": digest_of(path)}
    except (OSError, ValueError, KeyError, TypeError):
        return
    about.write_text(json.dumps(said))


@pytest.mark.parametrize("asked", [("--user", USER), ("--item", "1021"), ("--popular",)])
def test_exported_folders(exported, asker, tmp_path, asked):
    expected = {folder: asker.ask("candidates", folder, *asked) for folder in exported}
    assert {end for end, _ in expected.values()} == {"right"}

    def damage(folder, rng):
        name, kind = hurt(folder, rng, "index*" if rng.random() < 0.4 else "*")
        if signed := rng.random() < 0.6 and name != "export.json":
            sign(folder, name)
        return signed or name == "export.json", (name, kind)

    def well_formed(rows):
        scores = [row["score"] for row in rows]
        return (
            len({row["item"] for row in rows}) == len(rows) <= 5
            and scores == sorted(scores, reverse=True)
            and all(isinstance(row["title"], str) for row in rows)
        )

    survive(
        tmp_path, exported, damage, lambda folder: asker.ask("candidates", folder, *asked),
        lambda whole, rows: rows == expected[whole][1], well_formed,
    )  # fmt: skip


def test_saved_indexes(exported, asker, tmp_path):
    saved = [folder / "index" for folder in exported[1:]]

    def resign(folder, name):
        """Let the sidecar describe a changed file."""
        from candgen.retrieval.indexes import folders

        about = folder / "index.json"
        said = files.read_json(about)
        try:
            if name in said["index"]:
                content = folders.content_of(folders.file_bytes(folder / name))
                said["index"][name] = content.__dict__
            else:
                content = folders.content_of(np.load(folder / name))
                said[{"vectors.npy": "vectors", "ids.npy": "ids"}[name]] = content.__dict__
        except Exception:  # the array cannot be opened, so it stays unsigned
            return
        about.write_text(json.dumps(said))

    expected = {folder: asker.ask("index", folder) for folder in saved}
    assert {end for end, _ in expected.values()} == {"right"}

    def damage(folder, rng):
        name, kind = hurt(folder, rng)
        if signed := name != "index.json":
            resign(folder, name)
        return signed or name == "index.json", (name, kind)

    survive(
        tmp_path, saved, damage, lambda folder: asker.ask("index", folder),
        lambda whole, value: value == expected[whole][1],
    )  # fmt: skip


def test_dataset_folders(sweep_builder, asker, tmp_path):
    whole = sweep_builder.build_dataset(tmp_path / "whole", n_users=20, n_items=40).folder
    expected = asker.ask("dataset", whole)
    assert expected[0] == "right"

    def damage(folder, rng):
        name, kind = hurt(folder, rng)
        path, about = folder / name, folder / "dataset.json"
        if path == about or not path.is_file() or rng.random() < 0.4:
            return path == about, (name, kind)
        said = files.read_json(about)
        said["tables"][path.stem]["sha256"] = files.sha256_of(path)
        about.write_text(json.dumps(said))
        return True, (name, kind)

    survive(
        tmp_path, [whole], damage, lambda folder: asker.ask("dataset", folder),
        lambda _, value: value == expected[1],
    )  # fmt: skip


def test_sweep_folders(sweep_builder, asker, tmp_path):
    whole = tmp_path / "whole"
    data = sweep_builder.build_dataset(whole / "datasets/world", n_users=20, n_items=40)
    for name, skill in (("a", 1.0), ("b", 1.4)):
        sweep_builder.write_run(whole / name, data, name.upper(), skill, params={"dim": 4})
    sweep_builder.write_sweep(whole, {"a": {"dim": 4}, "b": {"dim": 4}})
    assert asker.ask("report", whole)[0] == "right", asker.ask("report", whole)

    def damage(folder, rng):
        name, kind = hurt(folder, rng, "*.json" if rng.random() < 0.7 else "*")
        return True, (name, kind)

    survive(tmp_path, [whole], damage, lambda folder: asker.ask("report", folder), None)


def test_lists_of_runs(sweep_builder, asker, tmp_path):
    project = tmp_path / "project"
    for name in ("notebooks", "params", "outputs"):
        (project / name).mkdir(parents=True)
    whole = tmp_path / "whole"
    data = sweep_builder.build_dataset(whole / "datasets/world", n_users=20, n_items=40)
    sweep_builder.write_run(whole / "a", data, "A", 1.0, params={"dim": 4})
    sweep_builder.write_run(whole / "b", data, "B", 1.0, params={"dim": 4})
    sweep_builder.write_sweep(whole, {"a": {"dim": 4}, "b": {"dim": 4}})
    (project / "outputs" / "s").symlink_to(tmp_path / "folder", target_is_directory=True)
    states = {"done", "unreadable", "unfinished", "missing", "interrupted", "running", "failed"}

    def damage(folder, rng):
        return True, hurt(folder, rng, "*.json")

    def listed(rows):
        return all(row["state"] in states or len(row["state"]) < 256 for row in rows) and all(
            row["state"] == "done" for row in rows if row["value"] is not None
        )

    survive(tmp_path, [whole], damage, lambda folder: asker.ask("runs", project), None, listed)
