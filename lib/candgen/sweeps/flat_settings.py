"""Settings of generators, written flat beside a notebook's parameters.

A notebook that fits any of several generators has the parameters `generator: str` and
`settings: dict`. Params files and the command line write all settings flat. The settings that the
notebook does not list are checked against the generator and reach the notebook inside `settings`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from candgen.checks import checked_field
from candgen.errors import SettingError, did_you_mean
from candgen.spaces import Space
from candgen.spaces import default_space as space_of_class
from candgen.sweeps.notebook_parameters import Notebook, number_or_text

GENERATOR = "generator"
SETTINGS = "settings"


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


def _class(generator: str) -> type:
    from candgen import models  # pandas is slow, and many notebooks take no such settings

    return models.by_name(generator)
