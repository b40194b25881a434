"""Settings of generators, written flat beside a notebook's parameters.

A notebook that fits any of several generators has the parameters `generator: str` and
`settings: dict`. Params files and the command line write all settings flat. The settings that the
notebook does not list are checked against the generator and reach the notebook inside `settings`.

A notebook may fit more than that one. Where `generator` is "all", it fits those that the
parameter's comment names; others fit a fixed one beside, such as the Markov chain of the
sequences. Each is checked with the notebook's parameters before a kernel starts.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from candgen.checks import checked_field
from candgen.errors import SettingError, did_you_mean
from candgen.spaces import Space
from candgen.spaces import default_space as space_of_class
from candgen.sweeps.notebook_parameters import Notebook, number_or_text
from candgen.text.python_code import parsed

if TYPE_CHECKING:
    from candgen.sweeps.plan import Stage

GENERATOR = "generator"
SETTINGS = "settings"
_NAME = re.compile(r"\w[\w-]*")
_LOOPS = (ast.For, ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)


def generator_of(notebook: Notebook, values: Mapping[str, Any]) -> str | None:
    """Return the generator whose settings a notebook takes, from its values or its default.

    Returns:
        The generator's name. None if the notebook lacks one of the two parameters, or if it is at
        a default that names no generator, such as "all".

    Raises:
        SettingError: If there is no such generator, or its name is no text.
    """
    if not {GENERATOR, SETTINGS} <= notebook.parameters.keys():
        return None
    default = notebook.parameters[GENERATOR].default
    name = notebook.parameters[GENERATOR].check(values.get(GENERATOR, default))
    try:
        _class(name)
    except SettingError:
        if name == default:
            return None
        raise
    return name


def setting_names(generator: str | None) -> list[str]:
    """Return the names of a generator's settings; none without a generator."""
    return _class(generator).setting_names() if generator else []


def further_names(notebook: Notebook, generator: str | None) -> list[str]:
    """Return the generator's settings that are no parameters of the notebook."""
    return [name for name in setting_names(generator) if name not in notebook.parameters]


def default_of(generator: str | None, name: str) -> Any:
    """Return the default of a generator's setting; None if it has no such setting."""
    field = _class(generator).Settings.model_fields.get(name) if generator else None
    return None if field is None else field.get_default(call_default_factory=True)


def default_space(generator: str | None) -> Space:
    """Return the ranges in which a generator's settings are searched; none without a generator."""
    return space_of_class(_class(generator).Settings) if generator else {}


def check_field(generator: str, name: str, value: Any) -> None:
    """Check one value of a generator's setting by itself; other parameters are left alone.

    Raises:
        SettingError: If it has the wrong type or is out of range.
    """
    if name in setting_names(generator):
        checked_field(name, value, _class(generator).Settings.model_fields[name])


def check(
    notebook: Notebook, generator: str | None, name: str, value: Any, typed: str | None = None
) -> Any:
    """Return a value, written flat, as the notebook or its generator gets it.

    Args:
        notebook: The notebook.
        generator: Its generator, if it takes one.
        name: Of the parameter or setting.
        value: To check.
        typed: The value as a person typed it, for hints.

    Raises:
        SettingError: If neither has a parameter of that name, with a suggestion, or the value has
            the wrong type for the notebook. `nested` checks the values of the generator.
    """
    if name == SETTINGS and generator:
        raise SettingError(
            f"Write each setting of {generator} flat, beside the other parameters; "
            f"the notebook gets them in {SETTINGS!r}."
        )
    further = further_names(notebook, generator)
    if name in further:
        many = isinstance(value, list)
        return [number_or_text(held) for held in value] if many else number_or_text(value)
    if name not in notebook.parameters and generator:
        raise SettingError(
            f"{name!r} is neither a parameter of {notebook.path.name} nor a setting of {generator}."
            f"{did_you_mean(name, [*notebook.parameters, *further])}"
        )
    return notebook.parameter(name).check(value, typed)


def nested(notebook: Notebook, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a notebook, further settings of its generator in `settings`.

    Args:
        notebook: The notebook.
        values: Parameters and settings as a person wrote them: flat, each checked by `check`.

    Raises:
        SettingError: If the generator refuses a setting: its name, type or range.
    """
    generator = generator_of(notebook, values)
    further = {key: value for key, value in values.items() if key not in notebook.parameters}
    if generator is None:
        if values.get(SETTINGS) and GENERATOR in notebook.parameters:
            raise SettingError(
                f"{SETTINGS} are those of one generator. Name it as {GENERATOR!r}, and write its "
                "settings flat."
            )
        return dict(values)
    own = {**notebook.defaults(), **values}
    settings = {**notebook.parameters[SETTINGS].default, **further}
    known = {key: own[key] for key in setting_names(generator) if key in own}
    _class(generator)(**{**known, **settings})
    parameters = {key: value for key, value in values.items() if key in notebook.parameters}
    return {**parameters, SETTINGS: settings} if further else parameters


def check_generators(stage: Stage) -> Stage:
    """Return a stage whose parameters suit every generator that its notebook fits with them.

    Raises:
        SettingError: Naming the generator, the setting, what was expected and what arrived.
    """
    given = {**stage.notebook.defaults(), **stage.parameters}
    for name in fitted_names(stage.notebook, given, explore=stage.explore):
        settings = {key: given[key] for key in setting_names(name) if key in given}
        try:
            _class(name)(**settings)
        except SettingError as error:
            raise SettingError(f"{name}, which {stage.notebook.name} fits: {error}") from None
    return stage


def fitted_names(notebook: Notebook, given: dict, *, explore: bool) -> list[str]:
    """Return the generators that a notebook fits with its parameters, but the one it is told.

    Args:
        notebook: The notebook.
        given: All its parameters.
        explore: Whether exploring cells are executed, too.
    """
    told, found = None, list(_always_fitted(notebook, explore))
    if {GENERATOR, SETTINGS} <= notebook.parameters.keys():
        told = generator_of(notebook, given)
        if told is None:
            found += _NAME.findall(notebook.parameters[GENERATOR].help)
    if not found:
        return []
    from candgen import models  # pandas is slow

    return [name for name in dict.fromkeys(found) if name != told and name in models.names()]


@functools.lru_cache(64)
def _always_fitted(notebook: Notebook, explore: bool) -> tuple[str, ...]:
    code = notebook.code(explore=explore)
    return tuple(_made(parsed(code), {})) if "from_parameters" in code else ()


def _made(node: ast.AST, bound: dict[str, list[str]]) -> Iterator[str]:
    """Give the names in `from_parameters(name, run.parameters)`, written there or looped over."""
    if isinstance(node, _LOOPS):
        for loop in getattr(node, "generators", [node]):
            if isinstance(loop.target, ast.Name):
                bound = bound | {loop.target.id: _texts(loop.iter)}
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "models.from_parameters":
        name, whole, *_ = [*node.args, None, None]
        if whole is not None and ast.unparse(whole) == "run.parameters":
            yield from bound.get(name.id, []) if isinstance(name, ast.Name) else _texts(name)
    for inner in ast.iter_child_nodes(node):
        yield from _made(inner, bound)


def _texts(node: ast.AST) -> list[str]:
    held = getattr(node, "elts", [node])
    return [n.value for n in held if isinstance(n, ast.Constant) and isinstance(n.value, str)]


def _class(generator: str) -> type:
    from candgen import models  # pandas is slow, and many notebooks take no such settings

    return models.by_name(generator)
