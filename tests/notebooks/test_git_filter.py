"""Git stores notebooks without outputs, and takes an executed notebook for unchanged."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml

CONFIGURED = ("Makefile", ".gitattributes", ".gitignore", ".git-nbconfig.yaml")


def run(*command, at, path):
    """Run a command with a git that knows nothing of this machine; its streams must be read."""
    surroundings = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    surroundings |= {"PATH": path, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    for who in ("AUTHOR", "COMMITTER"):
        surroundings |= {f"GIT_{who}_NAME": "A User", f"GIT_{who}_EMAIL": "user@example.org"}
    return subprocess.run(command, cwd=at, env=surroundings, capture_output=True, text=True)


def path_with_tool():
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


def path_without_tool(tmp_path):
    """A folder of links to what git needs, and nothing else."""
    folder = tmp_path / "bin"
    folder.mkdir(parents=True)
    for name in ("git", "sh", "cat"):
        (folder / name).symlink_to(shutil.which(name))
    return str(folder)


def git(clone, *arguments, path=None):
    done = run("git", *arguments, at=clone, path=path or path_with_tool())
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout


@pytest.fixture
def clone(root, tmp_path):
    """A fresh clone of these notebooks as they lie here, set up as `make setup` does it."""
    seed = tmp_path / "seed"
    notebooks = [*(root / "notebooks").glob("*.ipynb"), *(root / "tests").rglob("*.ipynb")]
    for file in (*notebooks, *(root / name for name in CONFIGURED)):
        copy = seed / file.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copy)
    git(seed, "-c", "init.defaultBranch=main", "init", "--quiet")
    git(seed, "add", ".")  # nothing is stripped here: git stores what lies there
    git(seed, "commit", "--quiet", "-m", "Add notebooks")
    git(tmp_path, "clone", "--quiet", "seed", "clone")
    made = run("make", "filter", at=tmp_path / "clone", path=path_with_tool())
    assert made.returncode == 0, made.stderr
    return tmp_path / "clone"


def execute(file):
    """Leave in a notebook what JupyterLab and papermill leave there."""
    page = nbformat.read(file, as_version=4)
    page.metadata["language_info"] = {"name": "python", "version": "3.99"}
    page.metadata["papermill"] = {"duration": 1.5}
    for n, cell in enumerate(page.cells):
        cell.metadata["papermill"] = {"status": "completed"}
        if cell.cell_type == "code":
            cell.execution_count = n + 1
            cell.outputs = [nbformat.v4.new_output("stream", text="0.31 é\n")]
    nbformat.write(page, file)


def test_in_a_fresh_clone_nothing_is_changed(clone):
    assert git(clone, "status", "--porcelain") == ""
    for file in clone.rglob("*.ipynb"):
        os.utime(file, (1, 1))  # now git must look into each
    assert git(clone, "status", "--porcelain") == ""
    git(clone, "add", "--renormalize", ".")
    assert git(clone, "status", "--porcelain") == ""


def test_an_executed_notebook_is_no_change(clone):
    files = list((clone / "notebooks").glob("*.ipynb"))
    for file in files:
        execute(file)
    assert git(clone, "diff", "HEAD") == ""
    git(clone, "add", "--update")  # `git status` goes by sizes until then
    assert git(clone, "status", "--porcelain") == ""
    assert all("0.31 é" in file.read_text() for file in files)  # outputs stay in the files


def test_what_is_committed_has_no_outputs_but_kernel_ids_and_tags(clone):
    file = clone / "notebooks" / "15_baselines.ipynb"
    before = nbformat.read(file, as_version=4)
    execute(file)
    edited = nbformat.read(file, as_version=4)
    edited.cells[0].source += "\n\nOne sentence more."
    nbformat.write(edited, file)
    git(clone, "commit", "--quiet", "-am", "Add a sentence")
    stored = nbformat.reads(git(clone, "show", f"HEAD:notebooks/{file.name}"), as_version=4)
    before.cells[0].source += "\n\nOne sentence more."
    assert stored == before
    assert stored.metadata.kernelspec.name == "python3"
    assert all(cell.id for cell in stored.cells)
    assert [cell.metadata.tags for cell in stored.cells if "tags" in cell.metadata]
    assert nbformat.read(file, as_version=4) == edited


def test_git_goes_on_when_the_environment_is_gone(clone, tmp_path):
    file = clone / "notebooks" / "15_baselines.ipynb"
    os.utime(file, (1, 1))
    bare = path_without_tool(tmp_path)
    assert git(clone, "status", "--porcelain", path=bare) == ""
    execute(file)
    assert git(clone, "status", "--porcelain", path=bare) == f" M notebooks/{file.name}\n"


def test_the_hook_stops_staged_outputs(root, clone, tmp_path):
    hooks = yaml.safe_load((root / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    (hook,) = [hook for hook in hooks if hook["id"] == "no-outputs"]
    command = shlex.split(hook["entry"])
    passed = run(*command, at=clone, path=path_with_tool())
    assert (passed.returncode, passed.stdout) == (0, "")
    file = clone / "notebooks" / "15_baselines.ipynb"
    for change in ({"outputs": [{}]}, {"execution_count": 3}):
        page = json.loads(file.read_text())
        next(cell for cell in page["cells"] if cell["cell_type"] == "code").update(change)
        file.write_text(json.dumps(page, indent=1))
        git(clone, "add", ".", path=path_without_tool(tmp_path / next(iter(change))))
        stopped = run(*command, at=clone, path=path_with_tool())
        assert stopped.returncode == 1 and file.name in stopped.stdout
        git(clone, "checkout", "--quiet", "HEAD", "--", ".")
