"""pyproject.toml, requirements.lock and environment.yml say the same thing."""

import re
import sys
import tomllib
from importlib import metadata

import pytest
import yaml
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def declared(root) -> dict[str, Requirement]:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    lines = [*project["dependencies"], *(line for extra in extras.values() for line in extra)]
    return {canonicalize_name(r.name): r for r in map(Requirement, lines)}


def locked(root, python: str) -> dict[str, str]:
    """The versions that the lock gives to one Python version on Linux."""
    environment = {"python_full_version": f"{python}.5", "python_version": python}
    environment |= {"sys_platform": "linux", "platform_system": "Linux"}
    pins = {}
    for line in (root / "requirements.lock").read_text().splitlines():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            (pin,) = requirement.specifier
            assert pin.operator == "==", f"{line} is not pinned"
            pins[canonicalize_name(requirement.name)] = pin.version
    return pins


def conda_lines(root) -> list[str]:
    """The lines of environment.yml that name a package, with their reasons."""
    lines = (root / "environment.yml").read_text().splitlines()
    return [line for line in lines if re.match(r"\s+- [a-z]", line) and "conda-forge" not in line]


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_the_lock_satisfies_every_declared_dependency(root, python):
    pins = locked(root, python)
    for name, requirement in declared(root).items():
        assert name in pins, f"{name} is declared in pyproject.toml but not locked"
        assert requirement.specifier.contains(pins[name]), f"{name}: {pins[name]} is locked"


def test_conda_users_get_the_declared_packages_at_the_locked_versions(root):
    environment = yaml.safe_load((root / "environment.yml").read_text())
    *own, last = environment["dependencies"]
    own = dict(each.split("=") for each in own if "=" in each)
    asked = last["pip"]
    assert "-c requirements.lock" in asked and "-e ." in asked
    named = {canonicalize_name(r.name): r for r in map(Requirement, asked[1:-1])}
    assert set(named) | {"annoy"} == set(declared(root))  # conda-forge has annoy compiled
    pins = locked(root, own["python"])
    assert own["python-annoy"] == pins["annoy"]
    assert {name: str(r.specifier) for name, r in named.items()} == {
        name: f"=={pins[name]}" for name in named
    }


def test_every_conda_line_gives_its_reason(root):
    bare = [line for line in conda_lines(root) if "pip:" not in line and "  # " not in line]
    assert bare == []


def test_the_lock_names_no_package_index(root):
    for name in ("requirements.lock", "environment.yml"):
        assert not re.search(r"https?://|file:|\s--\w|^--", (root / name).read_text(), re.M)


def test_what_is_installed_is_what_is_locked(root):
    pins = locked(root, "{}.{}".format(*sys.version_info))
    pins = {name: version for name, version in pins.items() if name not in platform_only(root)}
    installed = {canonicalize_name(d.name): d.version for d in metadata.distributions()}
    if "annoy" not in installed:  # left out where it could not be compiled
        del pins["annoy"]
    assert {name: installed.get(name) for name in pins} == pins


def platform_only(root) -> set[str]:
    """Packages whose marker leaves this machine out; the lock serves every platform."""
    names = set()
    for line in (root / "requirements.lock").read_text().splitlines():
        requirement = Requirement(line)
        if requirement.marker and not Marker(str(requirement.marker)).evaluate():
            names.add(canonicalize_name(requirement.name))
    return names
