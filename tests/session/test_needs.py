"""A page says what its dataset must have, and a dataset without it is refused by name."""

import pandas as pd
import pytest

from candgen.errors import DataError, SettingError
from candgen.session.needs import refuse_lacking


@pytest.mark.parametrize(
    ("need", "message"),
    [
        ("impressions", "'shop' has no impressions: .*impressions_path"),
        ("oracle", "'shop' has no oracle: .*source=world"),
        ("times", "'shop' has no times of events.*timestamp_column"),
    ],
)
def test_what_is_missing_is_named_with_what_to_do(tmp_path, need, message):
    events = pd.DataFrame({"user": [0], "item": [0]})
    events.to_parquet(tmp_path / "interactions.parquet")
    with pytest.raises(DataError, match=message):
        refuse_lacking([need], tmp_path, {"name": "shop", "tables": {}})
    (tmp_path / "oracle").mkdir()
    events.assign(timestamp=1).to_parquet(tmp_path / "interactions.parquet")
    refuse_lacking([need], tmp_path, {"name": "shop", "tables": {"impressions": {}}})


def test_a_need_that_nobody_knows_is_refused(tmp_path):
    with pytest.raises(SettingError, match=r"No dataset has 'impresions'.*'impressions'"):
        refuse_lacking(["impresions"], tmp_path, {})
