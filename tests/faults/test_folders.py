"""Folders are written to only if they are absent, empty or ours, and results replaced whole."""

import json
import os
import subprocess
import sys

import pytest

from candgen import files, folders, owners
from candgen.errors import DataError
from candgen.folders import DATASET, EXPORT, INDEX, REPORT, RUN, SWEEP

OURS = {
    "status.json": {"state": "done", "fingerprint": None},
    ".written.json": {"format": 1, "files": []},
    "environment.json": {"packages": {"candgen": "1"}, "commit": None},
    "dataset.json": {"digest": "d", "tables": {}},
    "sweep.json": {"format": 1, "runs": []},
    "export.json": {"format": 2, "run": "wals", "n_items": 3},
    "index.json": {"format": 3, "kind": "exact", "similarity": "dot", "n_items": 3},
}
MARKS = {
    RUN: {"status.json", ".written.json", "environment.json", "dataset.json"},
    DATASET: {"status.json", ".written.json", "environment.json", "dataset.json"},
    SWEEP: {"sweep.json"},
    REPORT: {"sweep.json"},
    EXPORT: {"export.json"},
    INDEX: {"index.json"},
}
FOREIGN = ["", "{", "[]", "3", "null", "{}", '{"state": "solved"}', '{"files": 3, "format": 1}']


@pytest.fixture
def dead_token():
    code = "from candgen import owners; print(owners.token())"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return found.stdout.strip()


@pytest.mark.parametrize("kind", MARKS, ids=lambda kind: kind.last or kind.what)
def test_each_kind_knows_its_own_marks_and_no_others(tmp_path, kind):
    assert folders.check(tmp_path / "absent", kind) == tmp_path / "absent"
    assert not (tmp_path / "absent").exists()
    for name, held in OURS.items():
        folder = tmp_path / name
        folder.mkdir()
        folders.check(folder, kind)  # empty
        (folder / "a.txt").write_text("a")
        files.write_json(folder / name, held)
        if name in MARKS[kind]:
            folders.check(folder, kind)
        else:
            with pytest.raises(DataError, match=r"is not empty.*Nothing was changed"):
                folders.check(folder, kind)


@pytest.mark.parametrize("text", FOREIGN)
def test_a_file_of_our_name_without_our_form_is_no_mark(tmp_path, text):
    for name in OURS:
        (tmp_path / name).write_text(text)
    for kind in MARKS:
        with pytest.raises(DataError, match="is not empty"):
            folders.check(tmp_path, kind)
        with pytest.raises(DataError, match=f"is not {kind.what}"):
            folders.require(tmp_path, kind)


def test_a_file_is_no_folder_and_a_killed_start_leaves_an_empty_one(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match=r"file is a file\. Name a folder"):
        folders.check(tmp_path / "file", RUN)
    (tmp_path / "started").mkdir()
    for name in (".lock", ".lock.marker", files.passing_name(tmp_path / "sweep.json").name):
        (tmp_path / "started" / name).write_text("")
    folders.check(tmp_path / "started", SWEEP)
    (tmp_path / "started" / ".mine.part").write_text("")
    with pytest.raises(DataError):
        folders.check(tmp_path / "started", SWEEP)


OUTSIDE = ["../victim", "/victim", "a/../../victim", "..", "", "a\\b", "c:x", "a\nb", "x" * 300, 3]


@pytest.mark.parametrize("name", OUTSIDE, ids=lambda name: repr(name)[:12])
def test_names_that_lead_out_of_the_folder_are_known(name):
    assert not folders.is_inside(name)
    assert folders.is_inside("figures/loss.png") and folders.is_inside("..a")


def test_what_is_removed_is_listed_and_lies_inside(tmp_path):
    ours, victim = tmp_path / "ours", tmp_path / "victim"
    for folder in (ours / "figures", ours / "kept", victim):
        folder.mkdir(parents=True)
    for name in ("figures/a.png", "kept/a.png", "kept/mine.png", "b.json", "c.json"):
        (ours / name).write_text("x")
    (victim / "a.txt").write_text("precious")
    (ours / "linked").symlink_to(victim)
    names = ["figures/a.png", "kept/a.png", "b.json", "linked/a.txt", "kept", "gone.txt", *OUTSIDE]
    folders.remove_listed(ours, [*names, "../victim/a.txt", str(victim / "a.txt")])
    left = {path.relative_to(ours).as_posix() for path in ours.rglob("*")}
    assert left - {"linked/a.txt"} == {"kept", "kept/mine.png", "c.json", "linked"}
    assert (victim / "a.txt").read_text() == "precious"


def made(folder, **tables):
    """Fill a folder as a dataset's writer does."""
    for name, text in tables.items():
        (folder / f"{name}.parquet").write_text(text)
    described = {"digest": "".join(tables.values()), "tables": {name: {} for name in tables}}
    files.write_json(folder / "dataset.json", described)


def held(folder):
    return {path.stem: path.read_text() for path in folder.glob("*.parquet")}


@pytest.fixture
def films(tmp_path):
    with folders.replacing(tmp_path / "films", DATASET) as aside:
        made(aside, train="old", fold_in="old")
    return tmp_path / "films"


def test_a_result_replaces_what_it_lists_and_leaves_the_rest(films):
    (films / "mine.parquet").write_text("mine")
    with folders.replacing(films, DATASET) as aside:
        made(aside, train="new", test="new")
        assert held(films) == {"train": "old", "fold_in": "old", "mine": "mine"}
    assert held(films) == {"train": "new", "test": "new", "mine": "mine"}
    assert {p.name for p in films.iterdir() if p.name.startswith(".")} == set()
    assert [p.name for p in films.parent.iterdir()] == ["films"]


@pytest.mark.parametrize("there", [True, False])
def test_an_error_leaves_what_was_there(films, there):
    goal = films if there else films.with_name("absent")
    with pytest.raises(ZeroDivisionError), folders.replacing(goal, DATASET) as aside:
        made(aside, train="half")
        _ = 1 / 0
    assert held(films) == {"train": "old", "fold_in": "old"}
    assert [p.name for p in films.parent.iterdir()] == ["films"]


def test_a_hostile_description_deletes_nothing_outside(films):
    victim = films.parent / "victim.parquet"
    victim.write_text("precious")
    told = json.loads((films / "dataset.json").read_text())
    told["tables"] |= {"../victim": {}, str(victim.with_suffix("")): {}}
    files.write_json(films / "dataset.json", told)
    with folders.replacing(films, DATASET) as aside:
        made(aside, train="new")
    assert victim.read_text() == "precious" and held(films) == {"train": "new"}


KILLED = """
import os, signal, sys
from pathlib import Path
from candgen import folders
moves, stop = [], int(sys.argv[2])
real = os.replace
def replace(a, b):
    moves.append(b)
    if len(moves) == stop:
        os.kill(os.getpid(), signal.SIGKILL)
    real(a, b)
with folders.replacing(sys.argv[1], folders.DATASET) as aside:
    for name in ("test", "train"):
        (aside / f"{name}.parquet").write_text("new")
    (aside / "dataset.json").write_text('{"digest": "new", "tables": {"test": {}, "train": {}}}')
    os.replace = replace
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_killed_at_any_rename_the_result_is_the_old_one_or_the_new_one(films):
    """The second rename decides; what comes after it is taken up by whoever opens the folder."""
    old, new = held(films), {"train": "new", "test": "new"}
    for stop in (1, 2, 3, 4, 5):
        code = subprocess.run([sys.executable, "-c", KILLED, films, str(stop)]).returncode
        assert code == -9
        folders.settle(films, DATASET)
        assert held(films) == (old if stop <= 2 else new)
        assert json.loads((films / "dataset.json").read_text())["digest"] == (
            "oldold" if stop <= 2 else "new"
        )
        with folders.replacing(films, DATASET) as aside:
            made(aside, train="old", fold_in="old")
        assert {path.name for path in films.iterdir()} == {
            "dataset.json", "train.parquet", "fold_in.parquet"
        }  # fmt: skip


def test_a_new_result_ends_the_move_of_the_one_before_it(films):
    new = films / folders.WHOLE
    new.mkdir()
    made(new, train="second", test="second")
    names = ["dataset.json", "test.parquet", "train.parquet"]
    files.write_json(new / ".files.json", {"files": names})
    with pytest.raises(ZeroDivisionError), folders.replacing(films, DATASET):
        _ = 1 / 0
    assert held(films) == {"train": "second", "test": "second"}
    with folders.replacing(films, DATASET) as aside:
        made(aside, train="third")
    assert held(films) == {"train": "third"}


def test_what_the_dead_left_is_removed_and_nothing_else(tmp_path, dead_token):
    dead = {f".a.json.{dead_token}.part", f"figures/.b.png.{dead_token}.part"}
    other_host = dead_token.rsplit("-", 2)[0] + "-00000000-" + dead_token.rsplit("-", 1)[1]
    alive = {
        files.passing_name(tmp_path / "c").name, f".a.{other_host}.part", ".mine.part",
        f"a.{dead_token}.part", ".a.12.part", "figures/d.png",
    }  # fmt: skip
    (tmp_path / "figures").mkdir()
    for name in dead | alive:
        (tmp_path / name).write_text("x")
    folder = tmp_path / f".new.{dead_token}.part"
    folder.mkdir()
    (folder / "inside").write_text("x")
    files.remove_left_behind(tmp_path)
    left = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    assert left == alive


def test_a_token_names_a_process_that_lives_or_has_ended(dead_token):
    assert not owners.has_ended(owners.token()) and owners.has_ended(dead_token)
    pid, started, host, boot = owners.token().split("-")
    assert owners.has_ended(f"{pid}-{int(started) + 1}-{host}-{boot}")  # its number went on
    assert owners.has_ended(f"{pid}-{started}-{host}-{'0' * 8}")  # before the last boot
    assert not owners.has_ended(f"{pid}-{started}-{'0' * 8}-{boot}")  # another machine's
    assert not owners.has_ended(str(os.getpid())) and not owners.has_ended("x")


def test_a_process_that_is_hidden_from_us_may_live(monkeypatch):
    """On systems that show a user no processes but its own; it can still be signalled, or not."""
    hidden = owners.Owner(owners.machine(), 2**22 + 1)
    assert hidden.state() == "ended"

    def refuse(pid, number):
        raise PermissionError

    monkeypatch.setattr(owners.os, "kill", refuse)
    assert hidden.state() == "lives"
