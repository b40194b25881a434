"""The house keeps its order: imports run one way, along the data's path, and rooms stay small."""

import ast
import importlib
from pathlib import Path

import pytest

ORDER = [
    ("columns", "errors", "memory", "on_demand", "owners", "files", "folders", "locks", "project"),
    (
        "seeds",
        "checks",
        "records",
        "spaces",
        "alias",
        "cache_folder",
        "numba_cache",
        "own_generators",
        "text",
    ),
    ("cluster",),
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
    ("serving", "studies", "publishing"),
    ("doctor", "commands"),
    ("cli",),
]
PLACE = {name: place for place, names in enumerate(ORDER) for name in names}
BESIDE = {"training": "negatives", "negatives": "training"}
BESIDE |= {"serving": "studies", "studies": "serving"}
NO_ROOMS = {
    "benchmarks",
    "browser",
    "faults",
    "notebooks",
}  # what they test is no folder


def name_of(path: Path, library: Path) -> str:
    """The dotted name of a module, that of a package for its `__init__.py`."""
    parts = path.relative_to(library.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imported(code: str, modules: set[str]) -> set[str]:
    """Modules that code imports, at any depth of it, but for type checkers alone."""
    found, nodes = set(), [ast.parse(code)]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            nodes += node.orelse
            continue
        nodes += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the whole path"
            whole = {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in modules else node.module for name in whole.values()}
    return found & modules


@pytest.fixture(scope="module")
def arrows(root) -> dict[str, set[str]]:
    """Module -> the modules of candgen that it imports."""
    library = root / "lib" / "candgen"
    paths = {name_of(path, library): path for path in library.rglob("*.py")}
    return {name: imported(path.read_text(), set(paths)) for name, path in paths.items()}


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def test_type_checkers_alone_import_nothing():
    code = (
        "if TYPE_CHECKING:\n    import a.b\nelse:\n    import c\ndef f():\n    from a import b, x"
    )
    assert imported(code, {"a", "a.b", "c"}) == {"a", "a.b", "c"}
    assert imported(code.partition("\ndef")[0], {"a", "a.b", "c"}) == {"c"}


def test_every_module_has_a_place_in_the_order(arrows):
    assert {room(module) for module in arrows} - {""} <= set(PLACE)


def test_no_module_knows_a_later_room_or_the_one_beside_it(arrows):
    wrong = [
        f"{module} imports {other}"
        for module, others in sorted(arrows.items())
        for other in sorted(others)
        if room(module) and room(other)
        if PLACE[room(other)] > PLACE[room(module)] or BESIDE.get(room(module)) == room(other)
    ]
    assert wrong == []


def test_studies_are_imported_by_nobody_below_and_not_by_each_other(arrows):
    wrong = [
        f"{module} imports {other}"
        for module, others in sorted(arrows.items())
        for other in sorted(others)
        if room(other) == "studies" and room(module) != "cli"
        if room(module) != "studies" or module.split(".")[2:3] != other.split(".")[2:3]
    ]
    assert wrong == []


def test_there_is_no_circle_among_modules(arrows):
    left = {module: others - {module} for module, others in arrows.items()}
    while free := [module for module, others in left.items() if not others & left.keys()]:
        for module in free:
            del left[module]
    assert left == {}, "each of these leads into a circle"


def test_no_name_that_loads_on_demand_is_a_module_too(root):
    """Importing the module would put it in the place of the name."""
    hidden, library = [], root / "lib" / "candgen"
    for path in library.rglob("__init__.py"):
        package = importlib.import_module(name_of(path, library))
        if hasattr(package, "__getattr__"):
            beside = {file.stem for file in path.parent.iterdir()}
            hidden += [f"{package.__name__}.{name}" for name in beside & set(package.__all__)]
    assert hidden == []


def test_every_folder_of_modules_is_a_package(root):
    folders = {path.parent for path in (root / "lib" / "candgen").rglob("*.py")}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_no_room_holds_more_than_its_share_of_the_lines(root):
    library, lines = root / "lib" / "candgen", {}
    for path in library.rglob("*.py"):
        own = path.relative_to(library).parts[0]
        lines[own] = lines.get(own, 0) + len(path.read_text().splitlines())
    whole = sum(lines.values())
    assert {room: n / whole for room, n in lines.items() if n > 0.22 * whole} == {}


def test_no_folder_is_full(root):
    for top in ("lib", "tests"):
        folders = {path.parent for path in (root / top).rglob("*.py")}
        held = {str(f.relative_to(root)): len(list(f.glob("*.py"))) for f in folders}
        assert {folder: n for folder, n in held.items() if n > 20} == {}


def test_tests_stand_where_the_library_stands(root):
    tests, library = root / "tests", root / "lib" / "candgen"
    folders = {path.parent.relative_to(tests) for path in tests.rglob("test_*.py")}
    rooms = {folder for folder in folders if folder.parts and folder.parts[0] not in NO_ROOMS}
    assert {folder.as_posix() for folder in rooms if not (library / folder).is_dir()} == set()


@pytest.mark.parametrize("path", ["lib", "notebooks", "params", "tests"])
def test_nothing_committed_is_a_hall(root, path):
    long = [
        f"{file.relative_to(root)}: {n} lines"
        for file in (root / path).rglob("*.py")
        if (n := len(file.read_text().splitlines())) > 500
    ]
    assert long == []
