"""Parameters of a notebook that can change what it records, found in its code without running it.

A grid over any other parameter would give the same row several times. The code is followed from
the parameters to the calls that record: a name depends on every parameter that its value was
computed from.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator

from candgen.sweeps import flat_settings
from candgen.sweeps.notebook_parameters import Notebook
from candgen.text.python_code import parsed

_RECORDING = ("record", "record_reproduced")
_OPAQUE = {"globals", "locals", "vars", "eval", "exec", "get_ipython"}
_SHOWING = ("run", "display", "print")  # calls that change nothing they are given


def effective(notebook: Notebook, generator: str | None, *, explore: bool = False) -> set[str]:
    """Return the parameters that can change what a run of a notebook records.

    Args:
        notebook: The notebook.
        generator: Its generator, if it takes one; of `run.parameters` it reads its settings.
        explore: Whether exploring cells are executed, too.

    Returns:
        Names of parameters and of further settings of the generator. All of them if the code does
        not tell: if nothing in it records, or it reads names in other ways than by writing them.
    """
    further = set(flat_settings.further_names(notebook, generator))
    every = {*notebook.parameters, *further}
    tree = parsed(notebook.code(explore=explore))
    if any(isinstance(node, ast.Name) and node.id in _OPAQUE for node in ast.walk(tree)):
        return every
    flow = _Flow(notebook.parameters, _read_whole(notebook, generator))
    flow.follow(tree.body)
    if flow.recorded is None:
        return every
    through_settings = further if flat_settings.SETTINGS in flow.recorded else set()
    return (flow.recorded & set(notebook.parameters)) | through_settings


def refusal(notebook: Notebook, generator: str | None, name: str, *, explore: bool) -> str:
    """Say why a grid over a parameter without effect is refused, and what to do instead."""
    with_it = f" with {generator}" if generator else ""
    if not explore and name in effective(notebook, generator, explore=True):
        advice = "Its exploring cells record it: set `explore: true`."
    else:
        advice = "To compare pages, give each value a run of its own, without a grid."
    return (
        f"{name!r} has no effect on the results that {notebook.path.name} records{with_it}, so "
        f"these runs would give the same row. {advice}"
    )


def _read_whole(notebook: Notebook, generator: str | None) -> set[str]:
    """Return what is read from `run.parameters`: by generators, the names of their settings."""
    if generator is None:
        return set(notebook.parameters)
    own = {flat_settings.GENERATOR, flat_settings.SETTINGS}
    return (own | set(flat_settings.setting_names(generator))) & set(notebook.parameters)


class _Flow:
    """Parameters behind each name, statement by statement."""

    def __init__(self, parameters: Collection[str], of_whole: set[str]) -> None:
        self._behind: dict[str, set[str]] = {name: {name} for name in parameters}
        self._of_whole = of_whole
        self.recorded: set[str] | None = None
        """Parameters behind what was recorded; None before anything was."""

    def follow(self, body: Iterable[ast.stmt], condition: frozenset[str] = frozenset()) -> None:
        """Follow statements that run under a condition made of the given parameters."""
        for statement in body:
            self._note_records(statement, condition)
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                self._add(statement.name, self._of(statement) | condition)
            elif inner := [getattr(statement, part, []) for part in _BODIES]:
                self._compound(statement, [part for part in inner if part], condition)

    def _compound(self, statement: ast.stmt, bodies: list, condition: frozenset[str]) -> None:
        if not bodies:
            self._simple(statement, condition)
            return
        heads = [
            value
            for part, value in ast.iter_fields(statement)
            if part not in _BODIES and isinstance(value, ast.expr)
        ]
        items = getattr(statement, "items", [])
        heads += [item.context_expr for item in items]
        behind = condition.union(*(self._of(head) for head in heads))
        for target in [getattr(statement, "target", None), *(i.optional_vars for i in items)]:
            for name in _names(target):
                self._add(name, behind)
        for _ in range(2):  # the second time through a loop, names hold what the first made
            for body in bodies:
                for part in body:
                    handled = (
                        getattr(part, "body", None) if not isinstance(part, ast.stmt) else None
                    )
                    self.follow(handled if handled is not None else [part], behind or _ALWAYS)

    def _simple(self, statement: ast.stmt, condition: frozenset[str]) -> None:
        if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
            behind = self._of(statement.value) | condition
            targets = getattr(statement, "targets", None) or [statement.target]
            for target in targets:
                plain = isinstance(target, ast.Name | ast.Tuple | ast.List)
                certain = plain and not condition and not isinstance(statement, ast.AugAssign)
                for name in _names(target):
                    if certain:
                        self._behind[name] = set(behind)
                    else:
                        self._add(name, behind | self._of(target))
        elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            call = statement.value
            receiver = next(_names(call.func), "")
            if receiver not in _SHOWING:
                given = [*call.args, *(word.value for word in call.keywords)]
                changed = {receiver, *(a.id for a in given if isinstance(a, ast.Name))}
                for name in changed:
                    self._add(name, self._of(call) | condition)
        for node in ast.walk(statement):
            if isinstance(node, ast.NamedExpr):
                self._add(node.target.id, self._of(node.value) | condition)

    def _note_records(self, statement: ast.stmt, condition: frozenset[str]) -> None:
        for node in ast.walk(statement):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func).split(".")
            if called[-1] in _RECORDING or called[-2:] == ["preparation", "prepare"]:
                given = [*node.args, *(word.value for word in node.keywords)]
                behind = condition.union(*(self._of(value) for value in given))
                self.recorded = (self.recorded or set()) | behind

    def _add(self, name: str, behind: Collection[str]) -> None:
        self._behind.setdefault(name, set()).update(behind)

    def _of(self, node: ast.AST) -> set[str]:
        """Return the parameters behind all names that a piece of code reads."""
        behind: set[str] = set()
        for inner in ast.walk(node):
            if isinstance(inner, ast.Attribute) and ast.unparse(inner) == "run.parameters":
                behind |= self._of_whole
            elif isinstance(inner, ast.Name):
                behind |= self._behind.get(inner.id, set())
        return behind


_BODIES = ("body", "orelse", "finalbody", "handlers", "cases")
_ALWAYS: frozenset[str] = frozenset({""})  # a condition that no parameter is behind


def _names(node: ast.AST | None) -> Iterator[str]:
    """Give the names that are assigned, or whose parts are."""
    if node is None:
        return
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Tuple | ast.List):
        for held in node.elts:
            yield from _names(held)
    elif isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
        yield from _names(node.value)
