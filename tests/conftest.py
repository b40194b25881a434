"""Fixtures for all tests."""

import gc
import importlib.util
import os
import shutil
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # `make test`: the workers share the cores
    # Read when NumPy and TensorFlow load, in the kernels of notebooks as well.
    for _name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(_name, "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# Tests fit small networks many times. XLA compiles each once for all processes of a test run, and
# does not spend seconds on the speed of a program that runs for milliseconds.
os.environ.setdefault(
    "XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"
)
_programs: str | None = None
if "TF_XLA_FLAGS" not in os.environ:
    _programs = tempfile.mkdtemp(prefix="candgen-xla-")
    os.environ["TF_XLA_FLAGS"] = f"--tf_xla_persistent_cache_directory={_programs}"

pytest.register_assert_rewrite("contract")  # so that its failures show their values
pytest_plugins = ["tiny_project", "notebooks.executed_pages"]

ROOT = Path(__file__).resolve().parents[1]
# `make test` begins with what takes longest. Tests of these files share nothing that is dear, so
# each goes to whoever is free; other files go as a whole, so that their fixtures are made once.
LONG = (
    "tests/faults/test_campaign.py",
    "tests/faults/test_searches.py",
    "tests/sweeps/test_kills.py",
    "tests/notebooks/test_execution.py",
)
LONG_FILES = ("tests/sweeps", "tests/notebooks", "tests/browser", "tests/models", "tests/studies")
_BROWSER = ("contrast", "explorer", "live", "notebooks", "report")
TOGETHER = {  # one browser, and one report of each kind
    f"tests/browser/test_{name}.py": "tests/sweeps/test_run_report.py" for name in _BROWSER
}


gc.disable()  # while modules are imported and tests collected, of which nothing is garbage


def pytest_collection_finish() -> None:
    """Spare the collector what lives to the end."""
    gc.enable()
    gc.freeze()


def pytest_unconfigure() -> None:
    """Remove the compiled programs; workers leave them to the process that made their folder."""
    if _programs is not None:
        shutil.rmtree(_programs, ignore_errors=True)


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order and group the tests for the workers of `make test` (`--dist loadgroup`)."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return

    def rank(item: pytest.Item) -> tuple[bool, bool]:
        return not item.nodeid.startswith(LONG), not item.nodeid.startswith(LONG_FILES)

    items.sort(key=rank)
    for item in items:
        file = item.nodeid.partition("::")[0]
        if file not in LONG:
            item.add_marker(pytest.mark.xdist_group(TOGETHER.get(file, file)))


NO_ANNOY = "annoy is not installed; it has no wheel and needs a C++ compiler"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Skip tests that build an index of annoy where that is left out; it has no wheel."""
    report = yield
    absent = importlib.util.find_spec("annoy") is None
    if absent and report.failed and "needs the package annoy" in str(call.excinfo.value):
        path, line, _ = item.location
        report.outcome, report.longrepr = "skipped", (path, line or 0, f"Skipped: {NO_ANNOY}")
    return report


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's root folder."""
    return ROOT


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data; tests that need it say so when it is absent."""
    folder = Path(os.environ.get("CANDGEN_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"No real data at {folder}. Set CANDGEN_TEST_DATA to a folder that has it.")
        pytest.skip(f"no real data at {folder}; set CANDGEN_TEST_DATA")
    return folder


@pytest.fixture
def candgen(monkeypatch, capsys):
    """Call the command line; return exit code, stdout and stderr."""
    from candgen import cli

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["candgen", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit:
            cli.main()
        said = capsys.readouterr()
        return exit.value.code or 0, said.out, said.err

    return call


@pytest.fixture(scope="session")
def sweep_builder(root) -> ModuleType:
    """The module that writes invented sweep folders, finished and broken ones."""
    path = root / "tests" / "reports" / "builder.py"
    spec = importlib.util.spec_from_file_location("sweep_builder", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def small_sweep(sweep_builder, tmp_path) -> Path:
    """Write a sweep of one run, to be damaged; returns the run's folder."""
    folder = tmp_path / "small"
    world = sweep_builder.build_dataset(folder / "datasets/world", n_users=20, n_items=40)
    sweep_builder.write_run(folder / "only", world, "WALS", 1.0, params={"dim": 4})
    sweep_builder.write_sweep(folder, {"only": {"dim": 4}})
    return folder / "only"


@pytest.fixture(scope="session")
def reported_sweep(sweep_builder, tmp_path_factory) -> Path:
    """A sweep of everything that can happen to runs, with its report made: look, do not touch."""
    from candgen.sweeps import run_report

    folder = sweep_builder.build_sweep(tmp_path_factory.mktemp("outputs") / "asked")
    run_report.make_report(folder)
    return folder
