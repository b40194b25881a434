"""Classes of generators that are not part of candgen, loaded by their names."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import sys
import traceback
from functools import cache
from pathlib import Path
from types import ModuleType

from candgen.errors import SettingError, did_you_mean
from candgen.models.base import Generator
from candgen.own_generators import file_of, installed


def from_file(name: str, taken: tuple[str, ...]) -> type[Generator]:
    """Return the class that a generator's name leads to, such as `my_models.py:MyModel`.

    The file is executed, once for each of its contents.

    Args:
        name: A path and a class.
        taken: Names that other generators have on the leaderboard.

    Raises:
        SettingError: If there is no such file or class, the file cannot be executed, or the class
            is no whole generator.
    """
    path = file_of(name)
    module = _executed(path, hashlib.sha256(path.read_bytes()).hexdigest())
    wanted = name.rpartition(":")[2]
    found = getattr(module, wanted, None)
    if found is None:
        there = [key for key, held in vars(module).items() if _is_generator(held, module)]
        raise SettingError(f"{path} has no class {wanted!r}.{did_you_mean(wanted, there)}")
    return _checked(found, f"{path}: {wanted}", taken)


def from_package(name: str, taken: tuple[str, ...]) -> type[Generator]:
    """Return the class of an installed generator; arguments and errors as for `from_file`."""
    point = installed()[name]
    try:
        found = point.load()
    except Exception as error:
        raise SettingError(
            f"The generator {name!r} of an installed package cannot be loaded from {point.value}: "
            f"{type(error).__name__}: {error}."
        ) from error
    return _checked(found, point.value, taken)


@cache
def _executed(path: Path, digest: str) -> ModuleType:
    name = f"candgen_own_{path.stem}_{digest[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # pydantic and pickle look a class up by its module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        lines = [
            f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)
        ]
        line = getattr(error, "lineno", None) or (lines[-1] if lines else None)
        at = f", line {line}" if line else ""
        raise SettingError(
            f"{path}{at}: {type(error).__name__}: {error}. The file must be executable by itself; "
            "it may import what is installed."
        ) from error
    return module


def _is_generator(held: object, module: ModuleType) -> bool:
    own = inspect.isclass(held) and held.__module__ == module.__name__
    return own and issubclass(held, Generator)


def _checked(found: object, where: str, taken: tuple[str, ...]) -> type[Generator]:
    if not (inspect.isclass(found) and issubclass(found, Generator)):
        raise SettingError(f"{where} is no class derived from candgen.models.Generator.")
    if missing := sorted(getattr(found, "__abstractmethods__", ())):
        raise SettingError(f"{where} does not define {', '.join(missing)}.")
    name = getattr(found, "name", None)
    if not isinstance(name, str) or not name.strip():
        raise SettingError(f"{where} has no name. Give it one: `name = {found.__name__!r}`.")
    if name in taken:
        raise SettingError(
            f"{where} calls itself {name!r}, which is a generator of candgen. Choose another name."
        )
    return found
