"""A params file for a person's own table of events, written from a guess of its settings."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from candgen import files
from candgen.datasets import preparation
from candgen.errors import SettingError
from candgen.project import project_root

if TYPE_CHECKING:
    from candgen.datasets.guessing import Guess

_TEMPLATES = Path(__file__).parent / "templates"
_WIDTH = 100


def params_file(name: str) -> Path:
    """Return where the params file of a name stands.

    Raises:
        SettingError: If there is one already.
    """
    path = project_root() / "params" / f"{name}.yaml"
    if path.exists() or path.is_symlink():
        raise SettingError(
            f"{path} is there already and stays as it is. Choose another name with --name, or "
            "change the file by hand."
        )
    return path


def write(guess: Guess, name: str) -> Path:
    """Write `params/NAME.yaml`: a sweep of first generators on the table; return its path.

    On a log of impressions it is a sweep of page 71: ways to train, and values of policies.

    Args:
        guess: Of the table's settings.
        name: Of the file, the sweep and the dataset.

    Raises:
        SettingError: If there is such a file, or the guess holds a setting that does not exist.
    """
    path = params_file(name)
    preparation.check_settings(dict(guess.settings))
    files.write_text(path, text_of(guess, name))
    return path


def text_of(guess: Guess, name: str) -> str:
    """Return the text of a params file, with the reasons for its settings as comments."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # it is YAML: the filter `yaml` quotes
    )
    environment.filters |= {"yaml": _as_yaml, "wrapped": _as_comment}
    settings = {key: _from_root(key, value) for key, value in guess.settings.items()}
    kind = "impressions" if "impressions_path" in settings else "table"
    template = environment.get_template(f"own_{kind}.yaml.j2")
    comments = {key: _meaning(key) for key in settings}
    return template.render(name=name, settings=settings, notes=guess.notes, comments=comments)


def shown(guess: Guess) -> str:
    """Return the first rows of the table and what was taken from it, for a terminal."""
    roles = {header: role for role, header in guess.columns.items()}
    heads = [f"{n} = {roles[n]}" if n in roles else str(n) for n in guess.first.names]
    rows = [[_cell(value) for value in row] for row in guess.first.rows[:5]]
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
             for row in (heads, *rows)]  # fmt: skip
    unused = [str(name) for name in guess.first.names if name not in roles]
    notes = (
        [*guess.notes, f"Columns that are not used: {', '.join(unused)}."]
        if unused
        else guess.notes
    )
    return "\n".join([*lines, "", *(f"- {note}" for note in notes)])


def _from_root(key: str, value: Any) -> Any:
    """Write a path from the project's root where it lies inside, else as a whole path."""
    if key != "path" and not key.endswith("_path"):
        return value
    found, root = Path(value).expanduser().resolve(), project_root().resolve()
    return found.relative_to(root).as_posix() if found.is_relative_to(root) else str(found)


def _meaning(key: str) -> str:
    fields = preparation.source_settings("table").model_fields
    described = fields.get(key) or preparation.PreparationSettings.model_fields.get(key)
    meaning = (described.description or "").rstrip(".") if described else ""
    if meaning[1:2].islower():  # no acronym
        meaning = meaning[0].lower() + meaning[1:]
    return f"  # {meaning}" if meaning else ""


def _as_yaml(value: Any) -> str:
    return (
        yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000)
        .removesuffix("\n")
        .removesuffix("\n...")
    )


def _as_comment(note: str) -> str:
    plain = " ".join(note.split())
    return textwrap.fill(plain, _WIDTH, initial_indent="# ", subsequent_indent="# ")


def _cell(value: Any) -> str:
    text = " ".join(str("" if value is None else value).split())
    return text if len(text) <= 24 else f"{text[:23]}…"
