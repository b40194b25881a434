"""Generators of one's own: a class in a file, or one that an installed package offers."""

from importlib.metadata import EntryPoint

import numpy as np
import pytest

from candgen import models, own_generators
from candgen.errors import SettingError

OWN = '''\
"""Items by how many users had them, some of it random."""

from typing import Annotated

import numpy as np

from candgen.checks import NotNegative, Settings
from candgen.models import Generator
from candgen.spaces import Real


class MySettings(Settings):
    noise: Annotated[NotNegative, Real(0.0, 1.0)] = {noise}
    """Standard deviation of what is added."""


class MyModel(Generator):
    """Noisy popularity."""

    name = "MyModel"
    answers_cold_users = True
    Settings = MySettings

    def _fit(self, dataset):
        rng = np.random.default_rng(0)
        self._scores = self.item_counts_ + self.noise * rng.random(dataset.n_items)

    def _score(self, users, items):
        scores = self._scores if items is None else self._scores[items]
        return np.tile(scores.astype(np.float32), (len(users), 1))


class NoGenerator:
    pass


class Unfinished(Generator):
    name = "Unfinished"


class Nameless(MyModel):
    name = ""


class Taken(MyModel):
    name = "WALS"
'''


@pytest.fixture
def project(tmp_path, monkeypatch):
    for folder in ("notebooks", "params", "elsewhere"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setenv("CANDGEN_HOME", str(tmp_path))
    (tmp_path / "my_models.py").write_text(OWN.replace("{noise}", "0.5"))
    return tmp_path


def test_a_class_in_a_file_is_fitted_and_answers(project, taste_world):
    found = models.by_name("my_models.py:MyModel")
    assert found.name == "MyModel" and found.setting_names() == ["noise"]
    model = models.from_settings("my_models.py:MyModel", {"noise": 0.0}).fit(taste_world)
    events = taste_world.train.drop_duplicates(["user", "item"])
    counts = np.bincount(events["item"], minlength=taste_world.n_items)
    expected = np.where(counts > 0, counts, -np.inf)  # items without an event are not known
    np.testing.assert_array_equal(model.score([0])[0], expected)


@pytest.mark.parametrize("place", ["params/my_models.py", "elsewhere/my_models.py"])
def test_a_file_is_found_from_the_root_and_in_params_by_its_name(project, place):
    (project / "my_models.py").rename(project / place)
    assert models.by_name(f"{place}:MyModel").name == "MyModel"
    assert models.by_name(f"{project / place}:MyModel").name == "MyModel"
    if place.startswith("params"):
        assert models.by_name("my_models.py:MyModel").name == "MyModel"


def test_a_changed_file_is_read_again(project):
    assert models.by_name("my_models.py:MyModel")().noise == 0.5
    (project / "my_models.py").write_text(OWN.replace("{noise}", "0.25"))
    assert models.by_name("my_models.py:MyModel")().noise == 0.25


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no_file.py:MyModel", r"no file 'no_file.py' in .* or its params/"),
        ("my_models.py:MyModle", r"has no class 'MyModle'\. Did you mean 'MyModel'\?"),
        ("my_models.py:NoGenerator", r"NoGenerator is no class derived from"),
        ("my_models.py:np", r"np is no class derived from"),
        ("my_models.py:Unfinished", r"Unfinished does not define _fit, _score"),
        ("my_models.py:Nameless", r"has no name\. Give it one: `name = 'Nameless'`"),
        ("my_models.py:Taken", r"calls itself 'WALS', which is a generator of candgen"),
        ("MyModel", r"There is no generator 'MyModel'.*my_models\.py:MyModel"),
    ],
)
def test_what_is_wrong_with_a_class_is_said(project, name, said):
    with pytest.raises(SettingError, match=said):
        models.by_name(name)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import no_such_package\n", r"my_models\.py, line 1: ModuleNotFoundError"),
        ("x = 1\ny = x / 0\n", r"my_models\.py, line 2: ZeroDivisionError"),
        ("x = 1\n\nclass :\n", r"my_models\.py, line 3: SyntaxError"),
    ],
)
def test_a_file_that_cannot_be_executed_is_refused_with_its_line(project, text, said):
    (project / "my_models.py").write_text(text)
    with pytest.raises(SettingError, match=said):
        models.by_name("my_models.py:MyModel")


def test_settings_are_checked_as_everywhere(project):
    with pytest.raises(SettingError, match=r"no setting 'noize'\. Did you mean 'noise'"):
        models.from_settings("my_models.py:MyModel", {"noize": 1.0})
    with pytest.raises(SettingError, match="0 or greater"):
        models.from_settings("my_models.py:MyModel", {"noise": -1.0})


def test_an_installed_package_offers_generators(project, monkeypatch):
    monkeypatch.syspath_prepend(project)
    (project / "my_package_of_models.py").write_text(OWN.replace("{noise}", "0.5"))

    def point(name, value):
        return EntryPoint(name=name, value=value, group=own_generators.GROUP)

    offered = {
        "MyModel": point("MyModel", "my_package_of_models:MyModel"),
        "Broken": point("Broken", "my_package_of_models:Missing"),
    }
    monkeypatch.setattr(own_generators, "installed", lambda: offered)
    monkeypatch.setattr("candgen.models.own_classes.installed", lambda: offered)
    assert models.by_name("MyModel")().settings == {"noise": 0.5}
    assert own_generators.file_of("MyModel") == project / "my_package_of_models.py"
    with pytest.raises(SettingError, match=r"'Broken' .* cannot be loaded from .*Missing"):
        models.by_name("Broken")
    with pytest.raises(SettingError, match="Did you mean 'MyModel'"):
        models.by_name("MyModle")
