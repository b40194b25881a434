"""Settings: one class a thing that is set, and the sentences that refuse a wrong value.

A settings class names each setting once, with type, default, range and meaning:

    class WALSSettings(Settings):
        dim: Count = 32
        '''Length of the vectors.'''

A subclass that changes a default writes the type again and inherits the meaning.

pydantic checks the values; this module turns what it finds into one `SettingError` that names the
setting, what was expected, what arrived and the nearest known spelling.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Annotated, Any, Literal, get_args, get_origin

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic.fields import FieldInfo

from candgen.errors import SettingError, did_you_mean

_LIMITS = {
    "ge": "{:,.10g} or greater",
    "gt": "greater than {:,.10g}",
    "le": "at most {:,.10g}",
    "lt": "less than {:,.10g}",
}
_KINDS = {
    "int": "a whole number", "float": "a finite number", "finite": "a finite number",
    "bool": "true or false", "string": "text", "list": "a list", "dict": "a mapping",
}  # fmt: skip
_BRANCHES = {"int", "float", "str", "bool", "none", "list", "dict"}


Count = Annotated[int, Field(ge=1)]
"""A whole number, 1 or greater."""
CountOrZero = Annotated[int, Field(ge=0)]
"""A whole number, 0 or greater."""
NotNegative = Annotated[float, Field(ge=0)]
"""A number, 0 or greater."""
Positive = Annotated[float, Field(gt=0)]
"""A number greater than 0."""
Share = Annotated[float, Field(ge=0, le=1)]
"""A number from 0 to 1."""


class Settings(BaseModel):
    """Base class of all settings: frozen, strict about types, closed to unknown names.

    NumPy scalars count as numbers, tuples as lists and paths as text; an int is accepted for a
    float. Nothing else is converted.

    Raises:
        SettingError: If a name is unknown, or a value has the wrong type or is out of range.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise SettingError(sentence(error, type(self).model_fields)) from None

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        for name, field in cls.model_fields.items():
            for base in cls.__mro__[1:]:
                if field.description is None and name in getattr(base, "model_fields", {}):
                    field.description = base.model_fields[name].description

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, values: Any) -> Any:
        return {key: _plain(value) for key, value in dict(values).items()}


@functools.cache
def _adapter(kind: Any) -> TypeAdapter:
    return TypeAdapter(kind, config=ConfigDict(strict=True, allow_inf_nan=False))


def checked(name: str, value: Any, kind: Any) -> Any:
    """Return one value if it is of a kind, such as `Count` or a Literal.

    Args:
        name: Of the argument, for the message.
        value: To check; NumPy scalars count as numbers.
        kind: A type, with limits where it is `Annotated`.

    Raises:
        SettingError: If the value has the wrong type or is out of range.
    """
    try:
        return _adapter(kind).validate_python(_plain(value))
    except ValidationError as error:
        raise SettingError(sentence(error, (), name)) from None


def checked_field(name: str, value: Any, field: FieldInfo) -> Any:
    """Return one value if a settings class would take it for a field.

    Raises:
        SettingError: If the value has the wrong type or is out of range.
    """
    limited = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
    return checked(name, value, limited)


def signature(settings: type[Settings]) -> inspect.Signature:
    """Return the signature of a constructor that takes these settings as keywords."""
    return inspect.Signature(
        [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty
                if field.is_required()
                else field.get_default(call_default_factory=True),
                annotation=field.annotation,
            )
            for name, field in settings.model_fields.items()
        ]
    )


def section(settings: type[Settings]) -> str:
    """Return the settings as a section of a docstring: type, default, range, meaning."""
    lines = ["Settings:"]
    for name, field in settings.model_fields.items():
        meaning = " ".join((field.description or "").split())
        default = field.get_default(call_default_factory=True)
        lines.append(f"    {name} ({kind_of(field)}, default {default!r}): {meaning}")
    return "\n".join(lines)


def kind_of(field: FieldInfo) -> str:
    """Return the type and the range of a setting in words, such as "int, 1 or greater"."""
    kind = field.annotation
    if get_origin(kind) is Literal:
        return " | ".join(map(repr, get_args(kind)))
    word = kind.__name__ if get_origin(kind) is None else str(kind).replace("typing.", "")
    limits = [
        words.format(getattr(limit, name))
        for limit in field.metadata
        for name, words in _LIMITS.items()
        if hasattr(limit, name)
    ]
    return ", ".join([word, *limits])


def sentence(error: ValidationError, known: Iterable[str], name: str = "") -> str:
    """Describe the first fault that pydantic found, in the house's words.

    Args:
        error: What pydantic raised.
        known: Names of all settings, for "did you mean".
        name: Of the value, where it is not one of several settings.
    """
    fault = error.errors(include_url=False)[0]
    place, kind, arrived = fault["loc"], fault["type"], fault["input"]
    place = (name, *place) if name else place
    name = str(place[0]) if place else ""
    if kind == "extra_forbidden":
        return f"There is no setting {name!r}.{did_you_mean(name, known)}"
    if kind == "missing":
        return f"{name} has no value and no default."
    if kind in ("value_error", "assertion_error"):
        return str(fault["ctx"]["error"])
    if len(place) > 1:
        name += "".join(f"[{part!r}]" for part in place[1:] if not _is_branch(part))
    if kind == "literal_error":
        words = fault["ctx"]["expected"].replace(" or ", ", ").split(", ")
        words = [word.strip("'") or "''" for word in words]
        hint = did_you_mean(arrived, words) if isinstance(arrived, str) else ""
        hint = hint if hint.startswith(" Did") else ""  # the names are listed already
        return f"{name} must be one of {', '.join(words)}; got {arrived!r}.{hint}"
    return f"{name} must be {_expected(kind, fault.get('ctx', {}))}, got {arrived!r}."


def _expected(kind: str, context: Mapping[str, Any]) -> str:
    for limit, words in _LIMITS.items():
        if limit in context:
            return words.format(context[limit])
    if kind == "too_short":
        return f"a list of {context['min_length']} or more"
    if kind == "string_pattern_mismatch":
        return f"text of the form {context['pattern']}"
    return _KINDS.get(kind.split("_")[0], kind.replace("_", " "))


def _is_branch(part: Any) -> bool:
    """Return True if a part of a fault's place names a member of a union, not a position."""
    return isinstance(part, str) and part.split("[")[0] in _BRANCHES


def _plain(value: Any) -> Any:
    """Turn NumPy scalars and arrays into Python's types, tuples into lists, all the way down."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, dict):
        return {key: _plain(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(held) for held in value]
    return value
