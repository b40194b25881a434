"""Imports inside the library run one way, along the data's path."""

import ast

import pytest

ORDER = [
    ("columns", "errors", "files", "locks", "seeds", "checks", "alias"),
    ("datasets",),
    ("features",),
    ("training", "negatives"),
    ("models",),
    ("retrieval",),
    ("evaluation",),
    ("plots",),
    ("session",),
    ("reports",),
    ("sweeps",),
    ("serving", "studies"),
    ("doctor", "cli"),
]
PLACE = {name: place for place, names in enumerate(ORDER) for name in names}


def imports(path) -> set[str]:
    """First names below `candgen` that a module imports, at any depth of the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "candgen":
            names = [f"candgen.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("candgen.")}
    return found - {"__version__"}


def test_every_module_has_a_place_in_the_order(root):
    library = root / "lib" / "candgen"
    named = {path.stem for path in library.iterdir() if not path.name.startswith(("_", "."))}
    assert named <= set(PLACE)


def test_no_module_knows_a_later_one(root):
    library = root / "lib" / "candgen"
    wrong = []
    for path in sorted(library.rglob("*.py")):
        own = path.relative_to(library).parts[0].removesuffix(".py")
        if own == "__init__":
            continue
        wrong += [
            f"{path.relative_to(library)} imports {name}"
            for name in sorted(imports(path))
            if PLACE[name] > PLACE[own]
        ]
    assert wrong == []


@pytest.mark.parametrize("path", ["lib", "notebooks", "params", "tests"])
def test_nothing_committed_is_a_hall(root, path):
    long = [
        f"{file.relative_to(root)}: {n} lines"
        for file in (root / path).rglob("*.py")
        if (n := len(file.read_text().splitlines())) > 500
    ]
    assert long == []
