"""Formats of files: settings of a person's file, and the form in which the readers take them."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import field_validator, model_validator

from candgen.checks import CountOrZero, Settings
from candgen.errors import SettingError, did_you_mean

FILE_TYPES = ("auto", "text", "parquet", "arrow", "jsonl")
COMPRESSIONS = ("auto", "none", "gzip", "zip", "zstd")
_ENCODINGS = ("utf-8", "latin-1", "cp1252", "utf-16")
_NOT_OF_FILES = ("idna", "punycode", "raw_unicode_escape", "undefined", "unicode_escape")
_SPELLED = {"\\t": "\t", "tab": "\t", "space": " ", "comma": ",", "semicolon": ";", "pipe": "|"}


@dataclass(frozen=True)
class TextFormat:
    """Format of a text file: delimiter, header, encoding, quotes and escapes."""

    delimiter: str = ","
    """Delimiter of one or two characters; `::` is read as colons around empty cells."""
    header: tuple[str, ...] | None = None
    """Names of the columns if the file has no header."""
    encoding: str = "utf-8"
    """Encoding; latin-1, which accepts any file, is used only for files that are not UTF-8."""
    quote: str = '"'
    """Character around cells that hold a delimiter or a line break; empty: none."""
    escape: str = ""
    """Character before a delimiter or quote that belongs to a cell; empty: none."""
    skip_lines: int = 0
    """Lines before the header, or before the first row if there is no header."""
    file_type: str = "auto"
    """One of `FILE_TYPES`; auto goes by name and content."""


class FileFormat(Settings):
    """Format of one file; arrow is what Hugging Face saves, jsonl has an object a line.

    Raises:
        SettingError: If a setting has the wrong type or is out of range.
    """

    file_type: Literal[*FILE_TYPES] = "auto"
    """Text (CSV), parquet, arrow or jsonl; auto: by name and content."""
    compression: Literal[*COMPRESSIONS] = "auto"
    """Compression of the file; auto: by its content."""
    encoding: str = "utf-8"
    """Encoding of text files."""
    delimiter: str = ""
    """Separator of cells; empty: comma in tables, white space in given files."""
    quote: str = '"'
    """Character around cells with a delimiter or line break; empty: none."""
    escape: str = ""
    """Character before a delimiter or quote that is part of a cell; empty: none."""
    column_names: list[str] = []
    """Names of the columns, if the file has no header."""
    skip_lines: CountOrZero = 0
    """Lines at the start of the file that are not read."""

    @field_validator("delimiter")
    @classmethod
    def _is_a_delimiter(cls, delimiter: str) -> str:
        delimiter = _SPELLED.get(delimiter.lower(), delimiter)
        if len(delimiter) > 1 or delimiter in ("\n", "\r") or delimiter > "\x7f":
            raise SettingError(
                "delimiter must be one character (a comma, semicolon, pipe or tab) or empty, "
                f"got {delimiter!r}."
            )
        return delimiter

    @field_validator("quote", "escape")
    @classmethod
    def _is_one_character(cls, character: str, field: Any) -> str:
        if len(character) > 1 or character in ("\n", "\r") or character > "\x7f":
            raise SettingError(
                f"{field.field_name} must be one character of ASCII or empty, got {character!r}."
            )
        return character

    @field_validator("encoding")
    @classmethod
    def _is_known(cls, encoding: str) -> str:
        try:
            found = codecs.lookup(encoding)
            known = found._is_text_encoding and found.name not in _NOT_OF_FILES
        except (LookupError, ValueError):
            known = False
        if not known:
            raise SettingError(
                f"encoding must be one that Python knows, got {encoding!r}."
                f"{did_you_mean(encoding, _ENCODINGS)}"
            )
        return encoding

    @field_validator("column_names")
    @classmethod
    def _are_distinct(cls, names: list[str]) -> list[str]:
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise SettingError(f"column_names has {repeated[0]!r} twice. Give each its own name.")
        return names

    @model_validator(mode="after")
    def _differ(self) -> FileFormat:
        used = [c for c in (self.delimiter, self.quote, self.escape) if c]
        if len(set(used)) < len(used):
            raise SettingError(
                f"delimiter, quote and escape must differ, got {self.delimiter!r}, "
                f"{self.quote!r} and {self.escape!r}."
            )
        return self

    def text_format(self, delimiter: str = ",") -> TextFormat:
        """Return the format for the readers; `delimiter` stands in for an empty one."""
        return TextFormat(
            self.delimiter or delimiter,
            tuple(self.column_names) or None,
            self.encoding,
            self.quote,
            self.escape,
            self.skip_lines,
            self.file_type,
        )


def of_one_file(name: str, shared: dict[str, Any], own: dict[str, Any]) -> FileFormat:
    """Return the format of one file: shared settings, replaced by those of the file.

    Raises:
        SettingError: Naming `name` and the setting.
    """
    try:
        return FileFormat(**{**shared, **{str(key): value for key, value in own.items()}})
    except SettingError as error:
        raise SettingError(f"{name}: {error}") from None
