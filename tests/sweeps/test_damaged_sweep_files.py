import pytest

from candgen.errors import SettingError
from candgen.sweeps.plan import read_plan
from damage import assert_survives

SWEEP = """\
# Which one finds more?
question: Which one finds more?
notebook: notebooks/15_train.ipynb
settings: {size: 30, day: 2024-05-01}
datasets:
  world: {n_users: "${size}"}
defaults: {k: 50}
runs:
  a: {grid: {dim: [2, 4]}}
  b: {dim: 7}
seeds: [1, 2]
report: {title: "A, 'B'", margin: 1e-3}
"""


def test_damaged_sweep_files_are_planned_or_refused(tmp_path, write_sweep):
    path = write_sweep(SWEEP)

    def read(folder):
        path.write_bytes((folder / "a.yaml").read_bytes())
        return read_plan(path)

    assert_survives(tmp_path, {"a.yaml": SWEEP.encode()}, read)


@pytest.mark.parametrize(
    "value", ["2024-13-45", "!!int x", "!!timestamp x", "!!float x", "!!bool x", "!!int ''"]
)
def test_what_yaml_cannot_construct_is_named_by_its_line(write_sweep, value):
    with pytest.raises(SettingError, match=r"line 4: .* is no valid value"):
        read_plan(write_sweep(SWEEP.replace("2024-05-01", "a").replace("30, day", f"{value}, day")))
