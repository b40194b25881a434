"""The README says what is there."""

import json
import re

import pytest


@pytest.fixture(scope="module")
def readme(root) -> str:
    return (root / "README.md").read_text()


def test_every_line_of_the_tree_exists(root, readme):
    block = re.search(r"## The house\s+```\n(.*?)```", readme, re.S)[1]
    parent, missing = "", []
    for line in block.splitlines():
        inside = line.startswith("  ")
        named = re.split(r" {2,}", line.strip())[0].split()
        if not inside:
            parent = named[0]
        for name in named:
            place = root / parent / name if inside else root / name
            if not place.exists() and not place.with_suffix(".ipynb").exists():
                missing.append(f"{parent}{name}" if inside else name)
    assert missing == []


def test_every_notebook_has_a_row_in_the_table_with_its_question(root, readme):
    for path in (root / "notebooks").glob("*.ipynb"):
        title = "".join(json.loads(path.read_text())["cells"][0]["source"]).splitlines()[0]
        question = title.partition(" · ")[2]
        assert f"| {question} | `{path.stem}` |" in readme, f"no row for {path.stem}"


def test_the_readme_is_short(readme):
    assert len(readme.split()) <= 1300


def test_every_sweep_is_in_the_table_and_exists(root, readme):
    named = set(re.findall(r"`(\w+\.yaml)`", readme))
    there = {path.name for path in (root / "params").glob("*.yaml")}
    assert named == there


def test_every_make_target_that_is_named_exists(root, readme):
    targets = set(re.findall(r"^([a-z]+):.*## ", (root / "Makefile").read_text(), re.M))
    assert set(re.findall(r"^make (\w+)", readme, re.M)) <= targets
    assert set(re.findall(r"`make (\w+)", readme)) <= targets


def test_every_command_that_is_named_exists(readme):
    from typer.testing import CliRunner

    from candgen import cli

    named = set(re.findall(r"(?:^|`|bin/)candgen ([a-z]+)\b", readme, re.M))
    assert named
    for command in named:
        assert CliRunner().invoke(cli.app, [command, "--help"]).exit_code == 0, command


def test_pictures_and_links_inside_the_project_resolve(root, readme):
    for target in re.findall(r"\]\(([^)]+)\)", readme):
        if not target.startswith("https://"):
            assert (root / target).is_file(), target
