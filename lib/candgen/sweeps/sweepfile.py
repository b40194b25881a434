"""A sweep's YAML, loaded safely, with the line of every key for messages.

Repeated keys, anchors and keys that are no text are refused: each of them hides a mistake. So is
what asks for too much (`bounded_yaml`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from candgen.errors import SettingError, did_you_mean
from candgen.text import bounded_yaml

_USE = re.compile(r"\$\{([^}]*)\}")
_MOST_FILLED_IN = 1_000_000  # characters that settings may become where they are used


class CallerText(str):
    """Text typed on the command line; a path in it counts from where the caller stands."""


class SweepFile:
    """The values of a sweep's YAML, and where they were written."""

    def __init__(self, path: Path, text: str | None = None) -> None:
        """Read a file.

        Args:
            path: Of the file; the sweep is called after it.
            text: Of a file that is not on disk.

        Raises:
            SettingError: If it cannot be read, or is not the YAML of a sweep.
        """
        self.path = path
        self._text = text
        self._lines: dict[tuple[str, ...], int] = {}
        self._typed: dict[tuple[str, ...], str] = {}
        self._filled_in = 0
        self.values: dict[str, Any] = self._load()

    def error(self, keys: Iterable[str], message: object) -> SettingError:
        """Make the error about one key: file, line where it stands, key, message."""
        keys = tuple(keys)
        line = next(
            (self._lines[k] for n in range(len(keys), 0, -1) if (k := keys[:n]) in self._lines), 0
        )
        parts = [str(self.path), f"line {line}" if line else "", ".".join(keys)]
        return SettingError(f"{', '.join(part for part in parts if part)}: {message}")

    def check_keys(self, keys: tuple[str, ...], known: Iterable[str]) -> None:
        """Refuse keys below `keys` that nobody reads, with a suggestion."""
        for key in self.section(keys):
            if key not in known:
                raise self.error((*keys, key), f"unknown key {key!r}.{did_you_mean(key, known)}")

    def section(self, keys: tuple[str, ...]) -> dict[str, Any]:
        """Return the mapping at `keys`; an absent or empty one is an empty mapping."""
        found: Any = self.values
        for key in keys:
            found = found.get(key)
            if found is None:
                return {}
            if not isinstance(found, dict):
                raise self.error(keys, f"expected `name: value` pairs, got {found!r}.")
        return found

    def typed(self, keys: Iterable[str]) -> str | None:
        """Return the value at `keys` as it was typed, such as 007 or 1e3; None if unknown."""
        text = self._typed.get(tuple(keys))
        setting = _USE.fullmatch(text) if text else None
        return self._typed.get(("settings", setting[1])) if setting else text

    def put(self, keys: tuple[str, ...], value: Any, typed: str) -> None:
        """Set the value at `keys`, from the command line."""
        self._typed = {k: t for k, t in self._typed.items() if k[: len(keys)] != keys}
        self._typed[keys] = typed
        found = self.values
        for n, key in enumerate(keys[:-1], 1):
            if found.get(key) is None:
                found[key] = {}
            if not isinstance(found[key], dict):
                raise self.error(keys[:n], f"holds {found[key]!r}, so it has no {keys[n]!r}.")
            found = found[key]
        found[keys[-1]] = value

    def replace(self, keys: tuple[str, ...], entries: dict[str, Any]) -> None:
        """Put several entries in the place of the one at `keys`, as if they stood on its line."""
        section = self.section(keys[:-1])
        kept = [(key, value) for key, value in section.items() if key != keys[-1]]
        at = list(section).index(keys[-1])
        section.clear()
        section.update([*kept[:at], *entries.items(), *kept[at:]])
        for known in (self._lines, self._typed):
            below = {k[len(keys) :]: v for k, v in known.items() if k[: len(keys)] == keys}
            known.update({(*keys[:-1], n, *k): v for n in entries for k, v in below.items()})

    def use_settings(self) -> None:
        """Put the values of `settings` where `${name}` stands, everywhere else in the file.

        Raises:
            SettingError: For an unknown name, with a suggestion, or a setting left empty.
        """
        settings = self.section(("settings",))
        self._sizes = {name: len(str(value)) for name, value in settings.items()}
        for key, value in self.values.items():
            if key != "settings":
                self.values[key] = self._filled(value, settings, (key,))

    def _filled(self, value: Any, settings: dict[str, Any], keys: tuple[str, ...]) -> Any:
        if isinstance(value, dict):
            return {k: self._filled(v, settings, (*keys, k)) for k, v in value.items()}
        if isinstance(value, list):
            return [self._filled(held, settings, keys) for held in value]
        if not isinstance(value, str) or not (names := _USE.findall(value)):
            return value
        for name in names:
            if name not in settings:
                raise self.error(keys, f"no setting {name!r}.{did_you_mean(name, settings)}")
            if settings[name] is None:
                raise self.error(
                    ("settings", name), f"has no value yet. Give one with --set {name}=VALUE."
                )
            self._filled_in += self._sizes[name]
            if self._filled_in > _MOST_FILLED_IN:
                message = f"is used so often that more than {_MOST_FILLED_IN:,} characters arise."
                raise self.error(("settings", name), message)
        if _USE.fullmatch(value):
            return settings[names[0]]
        kind = CallerText if isinstance(settings[names[0]], CallerText) else str
        return kind(_USE.sub(lambda use: str(settings[use[1]]), value))

    def _load(self) -> dict[str, Any]:
        text = self._read() if self._text is None else self._text
        try:
            node = bounded_yaml.compose(text)
            if node is not None:
                self._note_lines(node, ())
            values = bounded_yaml.construct(node)
        except bounded_yaml.Refused as error:
            raise SettingError(f"{self.path}, line {error.line}: {error}") from None
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = f", line {mark.line + 1}" if mark else ""
            problem = getattr(error, "problem", None) or error
            raise SettingError(f"{self.path}{line}: not valid YAML: {problem}.") from None
        if not isinstance(values, dict):
            raise SettingError(
                f"{self.path}: expected `question:`, `notebook:`, `runs:` ... at the top, "
                f"got {'an empty file' if node is None else type(values).__name__}."
            )
        return values

    def _read(self) -> str:
        try:
            if self.path.exists() and not self.path.is_file():
                raise SettingError(f"{self.path} is no file; expected the YAML of a sweep.")
            with open(self.path, encoding="utf-8") as file:
                text = file.read(bounded_yaml.MOST_CHARACTERS + 1)
        except FileNotFoundError:
            near = [str(p) for p in self.path.parent.glob("*.yaml")]
            raise SettingError(
                f"No sweep file {self.path}.{did_you_mean(str(self.path), near)}"
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise SettingError(f"{self.path} cannot be read as UTF-8 text: {error}") from None
        if len(text) > bounded_yaml.MOST_CHARACTERS:
            most = f"{bounded_yaml.MOST_CHARACTERS:,} characters"
            raise SettingError(f"{self.path} is longer than {most}, which no sweep needs.")
        return text

    def _note_lines(self, node: yaml.Node, keys: tuple[str, ...]) -> None:
        if isinstance(node, yaml.SequenceNode):
            for position, held in enumerate(node.value):
                self._note_lines(held, (*keys, str(position)))
        if isinstance(node, yaml.ScalarNode):
            self._typed[keys] = node.value
            self._check_scalar(node)
        if not isinstance(node, yaml.MappingNode):
            return
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                shown = getattr(key, "value", "a list or mapping")
                raise SettingError(
                    f"{self.path}, line {line}: a key must be text, got {shown!r}. "
                    "Put quotes around it."
                )
            path = (*keys, key.value)
            if path in self._lines:
                raise SettingError(
                    f"{self.path}, line {line}: {'.'.join(path)} occurs twice; "
                    f"the first is on line {self._lines[path]}."
                )
            self._lines[path] = line
            self._note_lines(value, path)

    def _check_scalar(self, node: yaml.ScalarNode) -> None:
        """Refuse what looks like a date or a number and is none, such as 2024-02-30."""
        try:
            bounded_yaml.construct(node)
        except ValueError as error:
            raise SettingError(
                f"{self.path}, line {node.start_mark.line + 1}: {_short(node.value)} is no valid "
                f"value ({error}). If it is text, put quotes around it."
            ) from None


def parse_set(text: str) -> tuple[str, Any, str]:
    """Split `key=value` from the command line; the value is read like a scalar in YAML.

    White space alone is a value.

    Returns:
        The key, the value and the value as it was typed.

    Raises:
        SettingError: If there is no `=`, no key before it, or the value asks for too much.
    """
    key, equals, raw = text.partition("=")
    if not equals or not key.strip():
        raise SettingError(f"Expected key=value, got {text!r}.")
    typed = raw.strip() or raw
    try:
        value = bounded_yaml.construct(bounded_yaml.compose(raw))
    except bounded_yaml.Refused as error:
        if typed[:1] in "&*" and len(typed) <= bounded_yaml.LONGEST_TEXT:  # a text, such as *new*
            value = typed
        else:
            raise SettingError(f"{key.strip()}={_short(typed)}: {error}") from None
    except (yaml.YAMLError, ValueError):
        value = typed
    # What is not clearly a quoted text, a list or a mapping is meant as it was typed.
    plain = isinstance(value, str | dict) and typed[:1] not in ("'", '"', "{")
    if plain or (raw and not raw.strip()):
        value = typed
    return key.strip(), CallerText(value) if isinstance(value, str) else value, typed


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
