"""The parameters of a notebook, read from its cell without running it.

A notebook writes each setting down once, in the cell tagged `parameters`: name, type, default and,
as a comment, its meaning. Batches are checked against that cell before anything starts, because
papermill only warns of a misspelt name.
"""

from __future__ import annotations

import ast
import datetime
import io
import json
import re
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from candgen import records
from candgen.errors import DataError, SettingError, did_you_mean
from candgen.session import runs
from candgen.text.python_code import parsed

TAG = "parameters"
EXPLORE = "explore"
_TYPES = {
    "str": str, "int": int, "float": float, "bool": bool, "list": list, "dict": dict, "None": None,
}  # fmt: skip
# YAML reads 1e-3 and 1E5 as text, for want of a dot or a sign.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)[eE][+-]?\d+")
_MOST = 128 * 2**20  # bytes of a notebook, most of them outputs
_PATHS = re.compile(r"(.+_)?(path|file|folder)|films")


@dataclass(frozen=True)
class Parameter:
    """One line of a notebook's parameters cell."""

    name: str
    annotation: Any
    """The type, as an object that pydantic understands."""
    spelling: str
    """The type, as the notebook spells it."""
    default: Any
    help: str
    """The comment beside it, or the one above it."""

    @property
    def is_path(self) -> bool:
        """True if the value names a file or folder to read: `path`, `films`, `ratings_file`, ..."""
        return bool(_PATHS.fullmatch(self.name)) and self.name != "run_folder"

    def check(self, value: Any, typed: str | None = None) -> Any:
        """Return the value as the notebook will get it.

        Text such as `1e-3`, which YAML does not take for a number, becomes one where a float is
        expected; a date becomes text where text is expected. Nothing else is converted.

        Args:
            value: To check.
            typed: The value as a person typed it, for the hint.

        Raises:
            SettingError: Naming the parameter, the type expected and the value that arrived.
        """
        value = _converted(value, self.annotation, self.default)
        try:
            return runs.checked(self.name, value, self.annotation)
        except SettingError as error:
            raise SettingError(f"{error}{_hint(value, self.annotation, typed)}") from None


class Notebook:
    """A notebook's path and the parameters it takes."""

    def __init__(self, path: Path, parameters: dict[str, Parameter], cells: list[dict]) -> None:
        self.path = path
        self.name = path.stem
        self.parameters = parameters
        self.cells = cells

    def executed(self, *, explore: bool) -> list[dict]:
        """List the cells that a run executes: all, or without those tagged `explore`."""
        return [cell for cell in self.cells if explore or not is_exploring(cell)]

    def check(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Check names and types of the values given; return them as the notebook will get them.

        Raises:
            SettingError: For an unknown name, with a suggestion, or a wrong type.
        """
        for name in values:
            self.parameter(name)
        return {name: self.parameters[name].check(value) for name, value in values.items()}

    def parameter(self, name: str) -> Parameter:
        """Return the parameter of that name.

        Raises:
            SettingError: If the notebook has none, with a suggestion.
        """
        if name in self.parameters:
            return self.parameters[name]
        if not self.parameters:
            raise SettingError(f"{self.path.name} has no cell tagged {TAG!r}, so it takes none.")
        raise SettingError(
            f"{self.path.name} has no parameter {name!r}.{did_you_mean(name, self.parameters)}"
        )

    def code(self, *, explore: bool) -> str:
        """Return the Python that a run executes, without the parameters cell."""
        cells = [c for c in self.executed(explore=explore) if c.get("cell_type") == "code"]
        kept = [c for c in cells if TAG not in c.get("metadata", {}).get("tags", [])]
        return "\n".join(filter(_is_python, (_without_magics(source_of(c)) for c in kept)))

    @property
    def opens_run(self) -> bool:
        """True if the page calls `open_run`."""
        return bool(self._openings())

    @property
    def should_record(self) -> bool:
        """True if a run of the page has to leave a result.

        It has to if it opens a run or takes the parameter `run_folder`, and does not declare the
        opposite with `open_run(records=False)`.
        """
        openings = self._openings()
        if not openings:
            return "run_folder" in self.parameters
        return not any(
            word.arg == "records" and isinstance(word.value, ast.Constant) and not word.value.value
            for opening in openings
            for word in opening.keywords
        )

    def _openings(self) -> list[ast.Call]:
        calls = [n for n in ast.walk(parsed(self.code(explore=True))) if isinstance(n, ast.Call)]
        named = ((call, getattr(call.func, "attr", getattr(call.func, "id", ""))) for call in calls)
        return [call for call, name in named if name == "open_run"]

    def defaults(self) -> dict[str, Any]:
        return {name: parameter.default for name, parameter in self.parameters.items()}


def read_notebook(path: Path | str) -> Notebook:
    """Read a notebook's parameters.

    Raises:
        DataError: If it is not a notebook, or its parameters cell holds more than literals.
    """
    path = Path(path)
    cells = _cells(path)
    tagged = [c for c in cells if TAG in c.get("metadata", {}).get("tags", [])]
    if len(tagged) > 1:
        raise DataError(f"{path}: {len(tagged)} cells are tagged {TAG!r}, expected one.")
    parameters = _parse(source_of(tagged[0]), path) if tagged else {}
    return Notebook(path, parameters, cells)


def is_exploring(cell: Mapping[str, Any]) -> bool:
    """Say whether a cell is tagged `explore`, so that a sweep leaves it out."""
    return EXPLORE in cell.get("metadata", {}).get("tags", [])


def source_of(cell: Mapping[str, Any]) -> str:
    """Return a cell's source as one text."""
    return "".join(cell.get("source", ""))


def number_or_text(value: Any) -> Any:
    """Turn text such as `1e-3` into the float it looks like; leave everything else alone."""
    return float(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else value


def _without_magics(source: str) -> str:
    """Leave out lines for IPython, such as `%timeit` and `!ls`, where they are no Python."""
    if _is_python(source):
        return source
    return "\n".join(line for line in source.splitlines() if line.lstrip()[:1] not in "%!?")


def _is_python(source: str) -> bool:
    try:
        parsed(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _code(node: ast.AST) -> str:
    """Return the Python of a node, shortened, for messages."""
    try:
        return ast.unparse(node)[:200]
    except RecursionError:
        return "nested too deeply"


def _cells(path: Path) -> list[dict]:
    try:
        if path.exists() and not path.is_file():  # a device never ends
            raise DataError(f"{path} is not a notebook: it is a folder or a device.")
        if path.is_file() and (size := path.stat().st_size) > _MOST:
            raise DataError(
                f"{path} has {size:,} bytes, expected at most {_MOST:,} of a notebook. Clear its "
                "outputs and save it."
            )
        notebook = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        near = [file.name for file in path.parent.glob("*.ipynb")]
        raise DataError(f"No notebook {path}.{did_you_mean(path.name, near)}") from None
    except RecursionError:
        raise DataError(f"{path} is not a notebook: it is nested too deeply.") from None
    except DataError:
        raise
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is not a notebook ({type(error).__name__}: {error}).") from None
    if fault := records.fault_of(notebook, _File):
        raise DataError(
            f"{path} is not a notebook of format 4: {fault} Open it in Jupyter, which "
            "says more, and save it."
        )
    return notebook["cells"]


class _Tags(records.Record):
    tags: list[str] = []


class _Cell(records.Record):
    cell_type: str
    source: str | list[str]
    metadata: _Tags = _Tags()


class _File(records.Record):
    nbformat: Literal[4] = 4
    metadata: dict[str, Any] = {}
    cells: list[_Cell]


def _parse(source: str, path: Path) -> dict[str, Parameter]:
    try:
        tree = parsed(source)
        comments = _comments(source)
    except SyntaxError as error:
        raise DataError(f"{path}, parameters cell, line {error.lineno}: {error.msg}.") from None
    except (ValueError, RecursionError, MemoryError, tokenize.TokenError) as error:
        raise DataError(f"{path}, parameters cell: it cannot be read ({error}).") from None
    parameters = {}
    for statement in tree.body:
        name, annotation, value = _assignment(statement, path)
        if name in parameters:
            raise DataError(
                f"{path}, parameters cell, line {statement.lineno}: {name} is set twice. Keep one."
            )
        spelling = type(value).__name__ if annotation is None else ast.unparse(annotation)
        kind = type(value) if annotation is None else _type(annotation, name, path)
        help = _help(comments, statement)
        parameters[name] = Parameter(name, kind, spelling, value, help)
        try:
            parameters[name].check(value)
        except SettingError as error:
            raise DataError(
                f"{path}, parameters cell, line {statement.lineno}: the default does not fit its "
                f"type. {error}"
            ) from None
    return parameters


def _assignment(statement: ast.stmt, path: Path) -> tuple[str, ast.expr | None, Any]:
    target = getattr(statement, "target", None)
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
    if isinstance(target, ast.Name) and isinstance(statement, ast.Assign | ast.AnnAssign):
        try:
            value = ast.literal_eval(statement.value)
            return target.id, getattr(statement, "annotation", None), value
        except (ValueError, TypeError, RecursionError, MemoryError):
            pass
    raise DataError(
        f"{path}, parameters cell, line {statement.lineno}: expected `name: type = literal`, got "
        f"{_code(statement)!r}. Parameters are injected below this cell, so anything "
        "derived here would go stale; move it to the next cell."
    )


def _type(node: ast.expr, name: str, path: Path) -> Any:
    """Build the type of an annotation: plain types, list[...], dict[...] and unions of them."""
    if isinstance(node, ast.Name | ast.Constant) and ast.unparse(node) in _TYPES:
        return _TYPES[ast.unparse(node)]
    if isinstance(node, ast.Subscript) and ast.unparse(node.value) in ("list", "dict"):
        inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if len(inner) == (2 if ast.unparse(node.value) == "dict" else 1):
            return _TYPES[ast.unparse(node.value)][tuple(_type(i, name, path) for i in inner)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        left, right = (_type(side, name, path) for side in (node.left, node.right))
        return (left or type(None)) | (right or type(None))
    raise DataError(
        f"{path}, parameters cell: the type of {name!r}, {_code(node)!r}, is not understood. "
        "Use str, int, float, bool, list, dict, list[...], dict[...] or a union with None."
    )


def _comments(source: str) -> dict[int, tuple[str, bool]]:
    """Map line numbers to the comment there and whether it has the line to itself."""
    found = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            alone = not token.line[: token.start[1]].strip()
            found[token.start[0]] = (token.string.lstrip("# ").rstrip(), alone)
    return found


def _help(comments: dict[int, tuple[str, bool]], statement: ast.stmt) -> str:
    beside = [c for n, (c, _) in comments.items() if statement.lineno <= n <= statement.end_lineno]
    if beside:
        return " ".join(beside)
    above, line = [], statement.lineno - 1
    while comments.get(line, ("", False))[1]:
        above.insert(0, comments[line][0])
        line -= 1
    return " ".join(above)


def _converted(value: Any, annotation: Any, default: Any) -> Any:
    if isinstance(value, datetime.date) and _accepts(annotation, str):
        return value.isoformat()
    if isinstance(value, list):
        (inner,) = getattr(annotation, "__args__", (None,))[:1] or (None,)
        floats = isinstance(default, list) and any(isinstance(held, float) for held in default)
        return [number_or_text(held) for held in value] if inner is float or floats else value
    if _accepts(annotation, float) and not _accepts(annotation, str):
        return number_or_text(value)
    return value


def _accepts(annotation: Any, kind: type) -> bool:
    return annotation is kind or kind in getattr(annotation, "__args__", ())


def _hint(value: Any, annotation: Any, typed: str | None) -> str:
    shown = str(value) if typed is None else typed
    if isinstance(value, str) and _accepts(annotation, int) and _NUMBER.fullmatch(value):
        return f" Write {float(value):.0f}: in YAML, {value} is text."
    if isinstance(value, str) and re.fullmatch(r"[+-]?[\d_.]+", value):
        return f" Write {value} without quotes."
    if isinstance(value, bool) and _accepts(annotation, str):
        said = " YAML reads yes, no, on and off as true and false; put quotes around the word"
        return f"{said}: '{shown}'."
    if isinstance(value, float | int) and _accepts(annotation, str):
        return f" Put quotes around it: '{shown}'."
    return ""
