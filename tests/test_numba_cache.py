"""Compiled code is never older than the kernels it was made of."""

import ast
import os
import shutil
import subprocess
import sys

import numba
import pytest

INLINED = """
from candgen.numba_cache import njit

@njit(inline="always")
def factor():
    return {factor}

@njit
def called(x):
    return x + {term}
"""
OUTER = """
from candgen.numba_cache import njit
from candgen.constants import SCALE
from candgen.inner import called, factor

@njit
def outer(x):
    return SCALE * factor() * called(x)
"""

SLOW = """
import numpy as np
from candgen.numba_cache import njit

@njit
def largest(n):  # takes a second or two to compile
    return np.argsort(np.arange(n) / n)[-1]
"""


def answer(folder) -> tuple[int, bool]:
    """Call the outer kernel in a new process; return its result and whether it was in the cache."""
    ask = "from candgen.outer import outer as f; print(f(3), sum(f.stats.cache_hits.values()))"
    said = subprocess.run(
        [sys.executable, "-c", ask], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.split()
    return int(said[0]), said[1] == "1"


def test_compiled_code_is_stale_when_what_it_contains_changes_elsewhere(
    root, tmp_path, monkeypatch
):
    for name in ("PYTHONPATH", "NUMBA_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    copy = tmp_path / "candgen"
    copy.mkdir()
    (copy / "__init__.py").touch()
    shutil.copy(root / "lib/candgen/numba_cache.py", copy)
    (copy / "outer.py").write_text(OUTER)
    (copy / "constants.py").write_text("SCALE = 10")
    (copy / "inner.py").write_text(INLINED.format(factor=2, term=1))
    assert answer(tmp_path) == (80, False)
    (copy / "inner.py").write_text(INLINED.format(factor=5, term=2))
    assert answer(tmp_path) == (250, False)
    (copy / "constants.py").write_text("SCALE = 100")
    assert answer(tmp_path) == (2500, False)
    (copy / "no_kernels.py").touch()
    assert answer(tmp_path) == (2500, True)


def test_processes_that_start_together_compile_a_kernel_once(root, tmp_path, monkeypatch):
    for name in ("PYTHONPATH", "NUMBA_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    copy = tmp_path / "candgen"
    copy.mkdir()
    (copy / "__init__.py").touch()
    shutil.copy(root / "lib/candgen/numba_cache.py", copy)
    (copy / "sorting.py").write_text(SLOW)
    ask = (
        "from candgen.sorting import largest\n"
        "print(flush=True)\ninput()\nprint(largest(3), sum(largest.stats.cache_hits.values()))"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": tmp_path}
    both = [subprocess.Popen([sys.executable, "-c", ask], **pipes) for _ in range(2)]
    for process in both:
        process.stdout.readline()  # it has imported everything
    for process in both:
        process.stdin.write("\n")
        process.stdin.flush()
    said = sorted(process.communicate()[0].split() for process in both)
    assert said == [["2", "0"], ["2", "1"]]


def test_a_kernel_that_cannot_be_compiled_keeps_nobody_waiting(root, tmp_path, monkeypatch):
    """As in a folder that is read only, or where another process stopped in the middle."""
    from candgen import numba_cache

    monkeypatch.setattr(numba_cache, "_PATIENCE", 0.1)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))

    def twice(x):
        return 2 * x

    one, other = numba_cache.njit(twice), numba_cache.njit(twice)
    with pytest.raises(numba.TypingError):
        one(None)
    assert one._cache._compiling.is_locked  # until its next call, or the end of the process
    assert other(3) == 6 and one(3) == 6
    assert one._cache._compiling is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="it forks")
def test_what_a_kernel_server_loaded_compiles_in_its_forks(tmp_path):
    """The parent has compiled another form of the same kernel."""
    code = """
import os
from candgen import numba_cache

def twice(x):
    return 2 * x

kernel = numba_cache.njit(twice)
assert kernel(3) == 6
if pid := os.fork():
    raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
assert kernel(1.5) == 3.0
assert kernel(1j) == 2j
"""
    script = tmp_path / "forks.py"
    script.write_text(code)
    surroundings = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, script], env=surroundings, capture_output=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def trees(root) -> dict[str, ast.Module]:
    """Module -> its syntax tree."""
    library = root / "lib"
    return {
        ".".join(path.relative_to(library).with_suffix("").parts): ast.parse(path.read_text())
        for path in (library / "candgen").rglob("*.py")
    }


def kernels_of(tree: ast.Module) -> list[ast.FunctionDef]:
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return [f for f in functions if any("njit" in ast.unparse(d) for d in f.decorator_list)]


def test_every_kernel_is_cached_by_the_package(trees):
    with_kernels = {name: kernels_of(tree) for name, tree in trees.items() if kernels_of(tree)}
    assert len(with_kernels) > 10
    plain = [
        f"{module}.{kernel.name}"
        for module, kernels in with_kernels.items()
        for kernel in kernels
        for decorator in kernel.decorator_list
        if not ast.unparse(decorator).startswith("njit")
    ]
    assert plain == []
    imported = [
        name
        for name, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "numba"
        if any(alias.name == "njit" for alias in node.names)
    ]
    assert imported == []


def foreign(tree: ast.Module) -> dict[str, str]:
    """Names that a module imports from others of the package -> the module."""
    return {
        alias.asname or alias.name: node.module
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module.startswith("candgen")
        for alias in node.names
    }


def test_kernels_that_others_contain_read_nothing_from_files_without_kernels(trees):
    with_kernels = {name for name, tree in trees.items() if kernels_of(tree)}
    contained = {source for m in with_kernels for source in foreign(trees[m]).values()}
    assert len(contained & with_kernels) > 2
    outside = [
        f"{module}.{kernel.name} reads {name}"
        for module in sorted(contained & with_kernels)
        for kernel in kernels_of(trees[module])
        for name, source in foreign(trees[module]).items()
        if name in {n.id for part in kernel.body for n in ast.walk(part) if isinstance(n, ast.Name)}
        if source not in with_kernels
    ]
    assert outside == []
