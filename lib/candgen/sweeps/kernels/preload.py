"""Slow imports of a notebook, found in its code without running it.

The server imports such modules when the first notebook comes that wants them, so a sweep without
TensorFlow never waits for it.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

from candgen.text.python_code import parsed

HEAVY = ("tensorflow", "keras")
_LIBRARY = Path(__file__).resolve().parents[3]


def heavy_modules(notebook: Path | str) -> list[str]:
    """List the slow modules that a notebook imports itself or through `candgen`.

    Through a package such as `candgen.models` only those modules count whose names the notebook
    uses, if only in a comment on a parameter: a notebook that fits `models.WALS` does not want what
    another model imports.
    """
    import nbformat

    cells = nbformat.read(notebook, as_version=4).cells
    code = "\n".join(_plain(cell.source) for cell in cells if cell.cell_type == "code")
    names = set(re.findall(r"\w+", code))
    found: set[str] = set()
    visited: set[Path] = set()
    asked: set[str] = set()  # modules behind a name
    waiting = list(_imports(code))
    while waiting:
        module = waiting.pop()
        found.update({module.split(".")[0]} & set(HEAVY))
        file = _file_of(module)
        if file is None:
            continue
        if file.name == "__init__.py":
            more = _imported_when_asked(file, names | {module.rpartition(".")[2]}) - asked
            asked |= more
            waiting += more
        if file in visited:
            continue
        visited.add(file)
        imported = _imports(file.read_text(encoding="utf-8"))
        if file.name == "__init__.py":
            imported = {name for name in imported if name.rpartition(".")[2] in names}
        waiting += imported
    return list(HEAVY) if found else []  # tensorflow brings keras, only later


def _imports(code: str) -> set[str]:
    """Names that code imports, anywhere in it: `a.b` of `import a.b` and of `from a import b`."""
    try:
        tree = parsed(code)
    except SyntaxError:  # the notebook will say so itself
        return set()
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def _imported_when_asked(package: Path, names: set[str]) -> set[str]:
    """Modules of a package that are imported when one of their names is first asked for.

    Such a package has a table `_HOMES` of name -> module, or of name -> (module, class).
    """
    name = ".".join(package.parent.relative_to(_LIBRARY).parts)
    found = set()
    for node in parsed(package.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_HOMES":
            for key, home in ast.literal_eval(node.value).items():
                module, *classes = [home] if isinstance(home, str) else home
                if names & {key, *classes}:
                    found.add(f"{name}.{module}")
    return found


def _file_of(module: str) -> Path | None:
    """Find the file of a module of ours, or of the module that a name is imported from."""
    parts = module.split(".")
    while parts and parts[0] == "candgen":
        path = _LIBRARY.joinpath(*parts)
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file():
                return file
        parts.pop()
    return None


def _plain(source: str) -> str:
    """Drop what only IPython understands."""
    return re.sub(r"^\s*[%!?].*$", "", source, flags=re.MULTILINE)
