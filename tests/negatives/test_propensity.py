"""Weights of examples by how often their items were shown, worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from candgen.datasets.dataset import write_dataset
from candgen.errors import SettingError
from candgen.negatives import exposure_weights, item_exposure

EXPOSURE = np.array([1, 2, 4, 8])


def test_exposure_is_what_was_shown_in_training_or_at_least_what_was_taken(shop):
    # Shown: items 1 and 2 twice, 0, 3 and 6 once; taken: 40, 20, 20, 10, 5, 5, 0. What was shown
    # in the held-out time is in another table.
    assert item_exposure(shop).tolist() == [40, 20, 20, 10, 5, 5, 1]


def test_what_was_shown_in_vain_counts_as_exposure(tmp_path):
    train = pd.DataFrame({"user": [0, 0], "item": [0, 1]})
    shown = pd.DataFrame({"user": [0] * 6, "item": [0, 1, 1, 1, 2, 2]}).assign(engaged=False)
    tables = {
        "interactions": train, "train": train, "test": train.iloc[:1], "impressions": shown,
        "users": pd.DataFrame({"user": [0], "user_id": [7]}),
        "items": pd.DataFrame({"item": range(4), "item_id": range(4)}),
    }  # fmt: skip
    data = write_dataset(tmp_path / "shown", tables, {"name": "shown"})
    assert item_exposure(data).tolist() == [1, 3, 2, 1]


def test_without_impressions_events_stand_for_them(silent_shop):
    assert item_exposure(silent_shop).tolist() == [40, 20, 20, 10, 5, 5, 1]


def test_weights_are_the_inverse_of_exposure_with_mean_1():
    # 1, 1/2, 1/4 and 1/8 sum to 15/8, and their mean must be 1.
    found = exposure_weights(EXPOSURE, np.arange(4), power=1)
    np.testing.assert_allclose(found, np.array([8, 4, 2, 1]) * 4 / 15, rtol=1e-6)


def test_what_is_shown_twice_as_often_counts_half_as_much():
    items = np.random.default_rng(0).integers(4, size=50)
    items[:4] = range(4)
    found = exposure_weights(EXPOSURE, items, power=1)
    np.testing.assert_allclose(found[1] / found[0], 0.5, rtol=1e-6)
    halved = exposure_weights(EXPOSURE, items, power=0.5)
    np.testing.assert_allclose(halved[2] / halved[0], 0.5, rtol=1e-6)


def test_no_power_weighs_all_alike_to_the_bit():
    assert exposure_weights(EXPOSURE, np.arange(4), power=0).tolist() == [1, 1, 1, 1]


def test_the_largest_weights_are_cut_and_what_they_lose_goes_to_the_others():
    # Unclipped, 32/15 is the largest. Clipped at 1.5, the others share 2.5 as 4 : 2 : 1.
    found = exposure_weights(EXPOSURE, np.arange(4), power=1, clip=1.5)
    np.testing.assert_allclose(found, [1.5, 2.5 * 4 / 7, 2.5 * 2 / 7, 2.5 / 7], rtol=1e-6)


@pytest.mark.parametrize("clip", [1.0, 1.3, 2.0, 10.0])
def test_the_mean_is_1_and_nothing_exceeds_the_clip(clip):
    rng = np.random.default_rng(0)
    exposure = np.ceil(np.exp(3 * rng.standard_normal(300))).astype(int)
    found = exposure_weights(exposure, rng.integers(300, size=2000), power=1, clip=clip)
    np.testing.assert_allclose(found.mean(), 1, rtol=1e-5)
    assert found.max() <= clip * (1 + 1e-6)


def test_weighed_events_count_items_as_if_all_were_shown_alike():
    """Under biased exposure the weighted log shows preferences; the plain log mixes in exposure."""
    rng = np.random.default_rng(0)
    wish = np.array([0.8, 0.4, 0.2, 0.1])
    exposure = np.array([1000, 8000, 2000, 32_000])
    items = np.repeat(np.arange(4), rng.binomial(exposure, wish))
    weights = exposure_weights(exposure, items, power=1, clip=1e9)
    told = np.bincount(items, weights)
    np.testing.assert_allclose(told / told.sum(), wish / wish.sum(), rtol=0.05)
    assert np.bincount(items).argmax() != told.argmax() == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"power": -1}, "exposure_power must be 0 or greater"),
        ({"power": 1, "clip": 0.5}, "exposure_clip must be 1 or greater"),
    ],
)
def test_settings_out_of_range_are_named(settings, message):
    with pytest.raises(SettingError, match=message):
        exposure_weights(EXPOSURE, np.arange(4), **settings)
