"""The modules of candgen that code imports, directly or through others, found in its text.

Nothing is imported to find out. A module counts with all imports in its file, those inside
functions included, and with the packages above it. Some packages load a name when it is first
asked for; their `__init__.py` says where names live in a literal table:

    _HOMES = {"train": "loop"}                          # name -> module
    _HOMES = {"MF-SGD": ("factorization.sgd", "SGD")}   # name as text -> module, class

Of such a table only the names that are used count. Names as text are used where they are values
of parameters, or stand in code that calls the package, unless they are only compared.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from candgen import files
from candgen.text.python_code import parsed

ROOT = "candgen"


@dataclass(frozen=True)
class Facts:
    """Imports and names in the text of one module."""

    used: frozenset[str]
    """Dotted names below candgen that it imports, each with the attributes it asks of them; a
    name that ends in `.*` is passed on as it is."""
    texts: frozenset[str]
    """Text constants, but for docstrings and what is only compared."""
    homes: dict[str, str]
    """Of a package that loads on demand: attribute -> dotted name of the module and attribute."""
    registry: dict[str, str]
    """Of a package that loads by name: text -> the same."""


class _Reached:
    """The modules reached so far, those still to be read, and what is asked of registries."""

    def __init__(self) -> None:
        self.modules: set[str] = set()
        self.waiting: list[str] = []
        self.asked: dict[str, set[str]] = {}
        """Package -> texts in the code that calls it."""

    def add(self, module: str) -> None:
        """Add a module and the packages above it."""
        while module and module not in self.modules:
            self.modules.add(module)
            self.waiting.append(module)
            module = module.rpartition(".")[0]


class Library:
    """The source files of the package; each is read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = _modules(folder)
        self._data = _data_files(folder, {path.parent for path in self._files.values()})
        self._read: dict[str, tuple[Facts, str]] = {}

    def closure(
        self,
        code: str,
        named: Iterable[str] = (),
        *,
        without: Iterable[tuple[str, str]] = (),
    ) -> set[str]:
        """Return the dotted names of the modules that some code needs.

        Args:
            code: Python.
            named: Texts among its parameters; names of generators are the ones that count.
            without: Imports that do not count: pairs of the module that imports and the module
                that it imports.
        """
        reached, named = _Reached(), set(named)
        self._follow(facts_of(code), reached)
        while reached.waiting:
            while reached.waiting:
                module = reached.waiting.pop()
                left_out = {imported for by, imported in without if by == module}
                self._follow(self._facts(module), reached, left_out)
            for package in sorted(reached.modules):
                registry = self._facts(package).registry
                for name in (named | reached.asked.get(package, set())) & registry.keys():
                    self._resolve(registry[name], reached)
        return reached.modules

    def digests(self, modules: Iterable[str]) -> dict[str, str]:
        """Return the digest of each module, and of the data files beside modules, by name."""
        found, folders = {}, set()
        for module in modules:
            self._facts(module)
            found[module] = self._read[module][1]
            folders.add(self._files[module].parent)
        for path in (path for folder in folders for path in self._data[folder]):
            found[path.relative_to(self._folder).as_posix()] = files.sha256_of(path)
        return found

    def _follow(
        self, facts: Facts, reached: _Reached, left_out: AbstractSet[str] = frozenset()
    ) -> None:
        for dotted in facts.used:
            if any(dotted == name or dotted.startswith(f"{name}.") for name in left_out):
                continue
            if registry := self._resolve(dotted, reached):
                reached.asked.setdefault(registry, set()).update(facts.texts)

    def _resolve(self, dotted: str, reached: _Reached) -> str | None:
        """Add the modules that a dotted name leads to; return the registry that it ends in."""
        module, parts, seen = ROOT, dotted.split(".")[1:], set()
        reached.add(module)
        while parts:
            facts = self._facts(module)
            home = facts.homes.get(parts[0])
            if f"{module}.{parts[0]}" in self._files:
                module = f"{module}.{parts.pop(0)}"
                reached.add(module)
            elif home is not None and home not in seen:
                seen.add(home)
                module, parts = ROOT, [*home.split(".")[1:], *parts[1:]]
            elif parts[0] == "*":
                for home in facts.homes.values():
                    self._resolve(home, reached)
                return None
            else:
                return module if facts.registry else None
        return None

    def _facts(self, module: str) -> Facts:
        if module not in self._read:
            path = self._files[module]
            content = path.read_bytes()
            package = module if path.name == "__init__.py" else ""
            facts = facts_of(content.decode("utf-8"), package)
            self._read[module] = facts, hashlib.sha256(content).hexdigest()
        return self._read[module][0]


def _modules(folder: Path) -> dict[str, Path]:
    """Map the dotted names of all modules to their files."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        found[".".join((ROOT, *(part for part in parts if part != "__init__")))] = path
    return found


def _data_files(folder: Path, packages: set[Path]) -> dict[Path, list[Path]]:
    """Map the folder of each package to the files in it that are no modules, such as templates."""
    found: dict[Path, list[Path]] = {package: [] for package in packages}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix != ".py" and "__pycache__" not in path.parts:
            found[next(above for above in path.parents if above in packages)].append(path)
    return found


@cache
def facts_of(code: str, package: str = "") -> Facts:
    """Read what Python code says of candgen; code that cannot be parsed says nothing.

    Args:
        code: The text of a module, or of a notebook's cells.
        package: Its dotted name if it is the `__init__.py` of a package.
    """
    try:
        tree = parsed(code)
    except SyntaxError:
        return Facts(frozenset(), frozenset(), {}, {})
    seen = _Reader()
    seen.visit(tree)
    homes, registry = _tables(tree, package) if package else ({}, {})
    return Facts(frozenset(seen.used()), frozenset(seen.texts), homes, registry)


class _Reader(ast.NodeVisitor):
    def __init__(self) -> None:
        self.imported: set[str] = set()
        self.bound: dict[str, set[str]] = {}
        self.chains: set[tuple[str, str]] = set()
        self.texts: set[str] = set()

    def used(self) -> Iterator[str]:
        yield from self.imported
        for name, attributes in self.chains:
            for dotted in self.bound.get(name, ()):
                yield f"{dotted}.{attributes}"

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            if alias.name.split(".")[0] == ROOT:
                self.imported.add(alias.name)
                name = alias.asname or ROOT
                self.bound.setdefault(name, set()).add(alias.name if alias.asname else ROOT)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.module and node.module.split(".")[0] == ROOT:
            for alias in node.names:
                dotted = f"{node.module}.{alias.name}"
                self.imported.add(dotted)
                self.bound.setdefault(alias.asname or alias.name, set()).add(dotted)

    def visit_If(self, node: ast.If) -> None:
        named = getattr(node.test, "id", getattr(node.test, "attr", ""))
        executed = [] if named == "TYPE_CHECKING" else [node.test, *node.body]
        for inner in (*executed, *node.orelse):
            self.visit(inner)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        parts, inner = [node.attr], node.value
        while isinstance(inner, ast.Attribute):
            parts.insert(0, inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name):
            self.chains.add((inner.id, ".".join(parts)))
        else:
            self.visit(inner)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.chains.add((node.id, "*"))

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):  # a docstring
            self.visit(node.value)

    def visit_Compare(self, node: ast.Compare) -> None:
        for side in (node.left, *node.comparators):
            within = side.elts if isinstance(side, ast.Tuple | ast.List | ast.Set) else [side]
            for inner in within:
                if not isinstance(inner, ast.Constant):
                    self.visit(inner)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self.texts.add(node.value)


def _tables(tree: ast.Module, package: str) -> tuple[dict[str, str], dict[str, str]]:
    """Read the literal tables of a package that loads on demand."""
    homes, registry = {}, {}
    lazy = any("__getattr__" in _defined(node) for node in tree.body)
    for node in tree.body:
        value = getattr(node, "value", None)
        if not isinstance(node, ast.Assign | ast.AnnAssign) or not isinstance(value, ast.Dict):
            continue
        for key, held in zip(value.keys, value.values, strict=True):
            name, home = _literal(key), _literal(held)
            if isinstance(name, str) and isinstance(home, str) and lazy:
                homes[name] = f"{_absolute(home, package)}.{name}"
            if isinstance(name, str) and isinstance(home, tuple) and len(home) == 2:
                module, attribute = map(str, home)
                registry[name] = f"{_absolute(module, package)}.{attribute}"
                if lazy:
                    homes[name] = homes[attribute] = registry[name]
    return homes, registry


def _defined(node: ast.stmt) -> set[str]:
    """Return the names that a function or an assignment of a module defines."""
    targets = node.targets if isinstance(node, ast.Assign) else []
    found = {
        name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)
    }
    return found | {getattr(node, "name", "")}


def _literal(node: ast.expr | None) -> object:
    try:
        return ast.literal_eval(node) if node is not None else None
    except ValueError:
        return None


def _absolute(module: str, package: str) -> str:
    return module if module.split(".")[0] == ROOT else f"{package}.{module}"
