"""Kernels are real here: one server is shared by the module, light on purpose."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import nbformat
import psutil
import pytest

from candgen.sweeps import execution
from candgen.sweeps.kernels import client, preload, spec
from waiting import SECONDS, until

ALL = client.LIGHT  # what sweeps preload, all of which must be there
SPECIMENS = Path(__file__).parent / "specimens"
pytestmark = pytest.mark.skipif(not client.supported(), reason="forking is not safe here")


@pytest.fixture(scope="module", autouse=True)
def light_server():
    """Preload as little as the tests need."""
    before = client.LIGHT
    client.LIGHT = (
        "ipykernel.kernelapp", "ipykernel.ipkernel", "numpy", "numba", "matplotlib.pyplot",
        "absent.module",
    )  # fmt: skip
    client.shutdown()
    yield
    client.shutdown()
    client.LIGHT = before


def run(name, folder, kernel="warm", timeout_s=SECONDS, **parameters):
    return execution.execute(
        SPECIMENS / f"{name}.ipynb", parameters, folder, kernel=kernel, timeout_s=timeout_s
    )


def outputs(folder) -> list:
    """Return the outputs of a run's cells, without the parts that differ from run to run."""
    notebook = nbformat.read(folder / "notebook.ipynb", as_version=4)
    shown = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            shown.append(output.get("text") or output.get("data") or output.get("evalue"))
    return shown


def last_output(folder) -> str:
    return outputs(folder)[-1]["text/plain"]


def test_a_warm_kernel_gives_what_an_ordinary_one_gives(tmp_path):
    assert run("fine", tmp_path / "warm", dim=3)["state"] == "done"
    assert run("fine", tmp_path / "ordinary", kernel="ordinary", dim=3)["state"] == "done"
    assert outputs(tmp_path / "warm") == outputs(tmp_path / "ordinary")


def test_kernels_of_two_threads_come_from_one_server(tmp_path):
    with ThreadPoolExecutor(2) as pool:
        states = pool.map(lambda i: run("fine", tmp_path / str(i), dim=i)["state"], range(4))
        assert list(states) == ["done"] * 4
    assert len({str(outputs(tmp_path / str(i))[0]) for i in range(4)}) == 4
    servers = [
        child
        for child in psutil.Process().children()
        if "candgen.sweeps.kernels.server" in child.cmdline()
    ]
    assert len(servers) == 1


@pytest.mark.parametrize(
    ("which", "answer"), [("numba", 2.66665e15), ("blas", 7.9999e17), ("tensorflow", 7.9999e17)]
)
def test_what_uses_threads_works_after_the_fork(tmp_path, which, answer):
    assert run("threads", tmp_path, which=which)["state"] == "done"
    assert float(last_output(tmp_path)) == pytest.approx(answer, rel=1e-4)


def test_the_server_has_no_thread_of_python_beside_the_first():
    code = (
        "import sys, threading, importlib\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module(name)\n"
        "print(threading.active_count())"
    )
    done = subprocess.run([sys.executable, "-c", code, *ALL], capture_output=True, text=True)
    assert done.stdout.strip() == "1", done.stderr


@pytest.mark.parametrize("kernel", ["warm", "ordinary"])
def test_a_kernel_is_told_the_commit(monkeypatch, kernel):
    monkeypatch.setattr(spec.environment, "commit", lambda: "abc+changes")
    assert spec.kernel_spec(kernel).env["CANDGEN_COMMIT"] == "abc+changes"
    monkeypatch.setattr(spec.environment, "commit", lambda: None)
    assert spec.kernel_spec(kernel).env["CANDGEN_COMMIT"] == ""


def test_a_kernel_has_its_own_session_folder_and_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("CANDGEN_SPECIMEN", "from the sweep")
    server = client.shared()
    argv = ["-f", str(tmp_path / "connection.json")]
    kernel = server.fork(argv, str(tmp_path), {**os.environ, "ONLY_HERE": "1"})
    try:
        process = psutil.Process(kernel.pid)
        assert os.getsid(kernel.pid) == os.getpgid(kernel.pid) == kernel.pid
        assert process.cwd() == str(tmp_path)
        assert process.ppid() == server.process.pid
    finally:
        kernel.kill()
    assert kernel.wait(SECONDS) == -signal.SIGKILL
    assert kernel.poll() == -signal.SIGKILL


def test_a_folder_that_is_not_there_is_named_and_the_server_lives_on(tmp_path):
    with pytest.raises(client.ServerError, match=r"cannot start in .*nowhere: No such file"):
        client.shared().fork([], str(tmp_path / "nowhere"), dict(os.environ))
    assert run("fine", tmp_path)["state"] == "done"


def test_unseeded_numbers_differ_between_kernels(tmp_path):
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("import numpy as np\n\nnp.random.random()")]
    )
    nbformat.write(notebook, tmp_path / "draws.ipynb")
    for name in ("a", "b"):
        execution.execute(tmp_path / "draws.ipynb", {}, tmp_path / name)
    assert last_output(tmp_path / "a") != last_output(tmp_path / "b")


def test_a_kernel_that_kills_itself_is_seen_as_killed(tmp_path):
    status = run("dies", tmp_path)
    assert status["state"] == "killed"
    assert status["error"]["name"] == "DeadKernelError"
    assert status["error"]["cell"] == 2


def test_what_a_page_left_open_is_written_when_its_kernel_ends(tmp_path):
    written = tmp_path / "written.txt"
    cell = nbformat.v4.new_code_cell(f"file = open({str(written)!r}, 'w')\nfile.write('kept');")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "page.ipynb")
    execution.execute(tmp_path / "page.ipynb", {}, tmp_path / "run")
    assert written.read_text() == "kept"


def test_without_its_server_kernels_start_the_ordinary_way_and_say_so_once(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(client, "_complained", False)
    server = client.shared()
    server.process.kill()
    until(lambda: not server.alive, "the client knows that its server has died")
    for name in ("a", "b"):
        status = run("fine", tmp_path / name)
        assert (status["state"], status["error"]) == ("done", None)
    said = capsys.readouterr().err
    assert said == "Kernels start the ordinary, slower way: the kernel server has died.\n"
    client.shutdown()


def test_a_server_that_does_not_answer_is_given_up(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(client, "_complained", False)
    client.shared().process.send_signal(signal.SIGSTOP)
    monkeypatch.setattr(client, "_PATIENCE", 1)
    assert run("fine", tmp_path)["state"] == "done"
    assert "did not answer in 1 s" in capsys.readouterr().err
    client.shutdown()


def test_a_running_kernel_dies_with_its_server(tmp_path):
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run, "sleeps", tmp_path)
        server = client.shared().process
        until(lambda: _sleepers(server.pid), "the kernel sleeps", running)
        server.kill()
        assert running.result(timeout=SECONDS)["state"] == "killed"
    client.shutdown()


def test_a_request_goes_before_what_is_imported_for_later_kernels(tmp_path, monkeypatch):
    note = f"open({str(tmp_path / 'trace')!r}, 'a').write(__name__ + ' ')\n"
    wait = f"import os, time\nwhile not os.path.exists({str(tmp_path / 'go')!r}): time.sleep(.01)\n"
    for name in ("for_later", "for_later_too", "wanted_now"):
        (tmp_path / f"{name}.py").write_text(note + wait * (name == "for_later"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    server = client.KernelServer(["for_later", "for_later_too"])
    try:
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(server.preload, ["wanted_now"])
            until(lambda: server._answers, "the request is under way")
            (tmp_path / "go").touch()
            asked.result(timeout=SECONDS)
        imported = until(
            lambda: (t := (tmp_path / "trace").read_text().split()) and len(t) == 3 and t,
            "all three are imported",
        )
    finally:
        server.close()
    assert imported == ["for_later", "wanted_now", "for_later_too"]


def test_kernels_and_server_die_with_a_process_that_is_killed(tmp_path):
    code = (
        "import sys\n"
        "from candgen.sweeps.kernels import client\n"
        "client.LIGHT = ('ipykernel.kernelapp',)\n"
        "from candgen.sweeps.execution import execute\n"
        "execute(sys.argv[1], {}, sys.argv[2], kernel=sys.argv[3])"
    )
    started = {}
    for kernel in ("warm", "ordinary"):
        arguments = [str(SPECIMENS / "sleeps.ipynb"), str(tmp_path / kernel), kernel]
        command = [sys.executable, "-c", code, *arguments]
        started[kernel] = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    descendants = []
    for kernel, parent in started.items():
        descendants += until(partial(_sleepers, parent.pid), f"the {kernel} kernel sleeps", parent)
        parent.kill()
        parent.communicate()
        assert execution.status.state_of(tmp_path / kernel) == "interrupted"
        assert not execution.status.is_finished(tmp_path / kernel)
    _, alive = psutil.wait_procs(descendants, timeout=SECONDS)
    for process in alive:
        process.kill()
    assert not alive


def _sleepers(pid: int) -> list[psutil.Process]:
    """Return all Python descendants, once the notebook has started its child."""
    found = psutil.Process(pid).children(recursive=True)
    names = [process.name() for process in found]
    if "sleep" not in names:
        return []
    return [process for process in found if process.name() != "sleep"]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import numpy", []),
        ("import tensorflow as tf", ["tensorflow", "keras"]),
        ("def later():\n    from keras import layers", ["tensorflow", "keras"]),
        ("%matplotlib inline\n!ls\nimport keras", ["tensorflow", "keras"]),
        ("from candgen import session", []),
        ("this is not Python", []),
    ],
)
def test_slow_modules_are_found_in_the_code(tmp_path, code, expected):
    cell = nbformat.v4.new_code_cell(code)
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "page.ipynb")
    assert preload.heavy_modules(tmp_path / "page.ipynb") == expected


@pytest.mark.parametrize(("used", "expected"), [("Light", []), ("Deep", ["tensorflow", "keras"])])
def test_only_the_models_that_a_page_uses_bring_their_modules(
    tmp_path, monkeypatch, used, expected
):
    package = tmp_path / "candgen" / "models"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "from candgen.models.deep import Deep\nfrom candgen.models.light import Light\n"
    )
    (package / "deep.py").write_text("class Deep:\n    def fit(self):\n        import tensorflow\n")
    (package / "light.py").write_text("import numpy\n\nclass Light: ...\n")
    monkeypatch.setattr(preload, "_LIBRARY", tmp_path)
    cell = nbformat.v4.new_code_cell(f"from candgen import models\n\nmodels.{used}().fit()")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "page.ipynb")
    assert preload.heavy_modules(tmp_path / "page.ipynb") == expected


@pytest.mark.parametrize(
    ("used", "expected"),
    [("generator = 'MF'  # MF or WALS", []), ("generator = 'Two'", ["tensorflow", "keras"])],
)
def test_a_generator_chosen_by_name_brings_what_is_imported_when_it_is_asked_for(
    tmp_path, monkeypatch, used, expected
):
    for package, homes in (
        ("models", {"Two": ("two", "TwoTower")}),
        ("training", {"Step": "deep"}),
    ):
        folder = tmp_path / "candgen" / package
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text(f"_HOMES = {homes!r}\n")
    (tmp_path / "candgen" / "models" / "two.py").write_text("from candgen.training import Step\n")
    (tmp_path / "candgen" / "training" / "deep.py").write_text("def run():\n    import keras\n")
    monkeypatch.setattr(preload, "_LIBRARY", tmp_path)
    cell = nbformat.v4.new_code_cell(f"from candgen import models\n{used}")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "page.ipynb")
    assert preload.heavy_modules(tmp_path / "page.ipynb") == expected


def test_connection_files_of_the_killed_go_at_the_next_start(tmp_path, monkeypatch):
    from candgen.sweeps.kernels import connection_files

    monkeypatch.setattr(connection_files.tempfile, "gettempdir", lambda: str(tmp_path))
    code = (
        "import sys, tempfile; tempfile.tempdir = sys.argv[1];"
        "from candgen.sweeps.kernels import connection_files; connection_files.new().touch();"
        "print(connection_files.new().name)"
    )
    said = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True)
    assert said.stdout and len(list(tmp_path.iterdir())) == 1
    kept = [connection_files.new(), tmp_path / "candgen-kernel-mine.json", tmp_path / "tmp1.json"]
    for path in kept:
        path.touch()
    connection_files.remove_left_behind()
    assert sorted(tmp_path.iterdir()) == sorted(kept)
    manager = spec.manager_class(spec.kernel_spec("ordinary"))()
    assert Path(manager.connection_file).name.startswith("candgen-kernel-")


@pytest.mark.notebook
@pytest.mark.parametrize("kernel", ["warm", "ordinary"])
def test_a_page_belongs_to_the_project_that_executes_it_where_notebooks_are_a_link(
    project, write_notebook, tmp_path_factory, kernel
):
    says = "import pathlib; from candgen.session import paths\n"
    says += "pathlib.Path(run_folder, 'root.txt').write_text(str(paths.project_root()))"
    write_notebook("30_where", 'run_folder: str = ""\n', says)
    another = tmp_path_factory.mktemp("another")
    (another / "params").mkdir()
    (project / "notebooks").rename(another / "notebooks")
    (project / "notebooks").symlink_to(another / "notebooks")
    folder = project / "outputs" / "where"
    asked = {"run_folder": str(folder)}
    execution.execute(project / "notebooks" / "30_where.ipynb", asked, folder, kernel=kernel)
    assert (folder / "root.txt").read_text() == str(project.resolve())
