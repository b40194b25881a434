"""Executed notebooks in JupyterLab: what data wrote stays text, and no script of it runs."""

import contextlib
import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import nbformat
import pytest
from nbformat.sign import NotebookNotary

import waiting
from notebooks.executed_pages import ATTACKS

pytestmark = [pytest.mark.browser, pytest.mark.notebook]

NAMES = sorted(path.stem for path in Path(__file__).parents[2].glob("notebooks/*.ipynb"))
# What would run, or be typeset, if it came from data: the attacks' own mathematics among it.
CONTROL = '<img src=x onerror="window.control = 1"><p id="control">$x_1$ $\\frac$</p>'
SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none", "maxNumberOutputs": 10_000,
                                   "autoStartDefaultKernel": False},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}  # fmt: skip


def outputs_of(path: Path) -> list:
    """Return what an executed notebook shows, without pictures."""
    found = []
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", []):
            for kind in [kind for kind in output.get("data", ()) if kind.startswith("image/")]:
                del output["data"][kind]
            if "execution_count" in output:
                output["execution_count"] = None  # that of a cell which is not there
            found.append(output)
    return found


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A JupyterLab of its own, with a folder that it serves; nobody's settings are read."""
    home = tmp_path_factory.mktemp("lab")
    for name, values in SETTINGS.items():
        path = home / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    folders = {f"JUPYTER_{n.upper()}_DIR": home / n for n in ("config", "data", "runtime")}
    folders |= {f"JUPYTERLAB_{n.upper()}_DIR": home / n for n in ("settings", "workspaces")}
    for folder in (*folders.values(), home / "served"):
        folder.mkdir(exist_ok=True)
    options = {"ip": "127.0.0.1", "port": 0, "open_browser": False, "root_dir": home / "served",
               "allow_root": True}  # fmt: skip
    command = [sys.executable, "-m", "jupyterlab", "--IdentityProvider.token="]
    command += [f"--ServerApp.{name}={value}" for name, value in options.items()]
    with open(home / "log", "w") as log:
        server = subprocess.Popen(
            command,
            env=os.environ | {n: str(f) for n, f in folders.items()},
            stdout=log,
            stderr=log,
        )
    yield home, server
    server.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(20)
    server.kill()
    server.wait()


def address(lab) -> str:
    """Return the address of the server, once it answers."""
    home, server = lab

    def answers() -> str:
        (file,) = (home / "runtime").glob("jpserver-*.json")
        found = json.loads(file.read_text())["url"]
        with urllib.request.urlopen(f"{found}api"):
            return found

    return waiting.until(answers, "JupyterLab answers", server)


def test_nothing_that_data_wrote_runs_in_jupyterlab(lab, driver, executed_pages, reported_sweep):
    """All outputs stand in one notebook, as one that a person executed and therefore trusts."""
    found = {name: outputs_of(executed_pages.folder(name) / "notebook.ipynb") for name in NAMES}
    found["report"] = outputs_of(reported_sweep / "report" / "notebook.ipynb")
    control = nbformat.v4.new_output("display_data", {"text/html": CONTROL})
    cells = [
        nbformat.v4.new_code_cell(name, outputs=outputs)
        for name, outputs in (found | {"control": [control]}).items()
    ]
    path = lab[0] / "served" / "all.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    notary = NotebookNotary(data_dir=str(lab[0] / "data"))
    notary.sign(nbformat.read(path, as_version=4))
    notary.store.close()

    driver.get(f"{address(lab)}lab/tree/all.ipynb")
    shown = "document.querySelectorAll('.jp-OutputArea-output').length"
    typeset = "document.querySelectorAll('mjx-container').length"
    waiting.until(
        lambda: driver.execute_script(f"return window.control === 1 && {typeset} > 0"),
        "JupyterLab has shown the last output",
        lab[1],
    )
    assert driver.execute_script(f"return {shown}") == 1 + sum(map(len, found.values()))
    assert driver.execute_script("return window.ran") is None
    typeset_attacks = driver.execute_script(
        "return [...document.querySelectorAll('mjx-container')]"
        ".filter(e => e.outerHTML.includes('frac'))"
        ".map(e => e.closest('#control') ? 'control' : e.closest('.jp-Cell').innerText)"
    )
    assert typeset_attacks == ["control"]
    text = driver.execute_script("return document.body.textContent")
    assert [attack for attack in ATTACKS if attack.isprintable() and attack not in text] == []
