"""Map of the items: what is stored, its budget, and where maps are kept."""

import json

import numpy as np
import pytest

from candgen import files
from candgen.errors import DataError
from candgen.reports import open_report
from candgen.reports.interaction import item_maps, maps
from candgen.reports.interaction.data_blocks import data_block

PLENTY = 10**7


@pytest.fixture
def mapped(sweep_builder, tmp_path):
    """Write a sweep of one run with vectors; returns its report."""
    folder = tmp_path / "mapped"
    world = sweep_builder.build_dataset(folder / "datasets/world", n_users=40, n_items=60)
    sweep_builder.write_run(folder / "only", world, "WALS", 1.0, params={"dim": 4}, dim=4)
    sweep_builder.write_sweep(folder, {"only": {"dim": 4}})
    return open_report(folder)


def stored_of(report, budget: int = PLENTY) -> tuple[dict, np.ndarray]:
    ground = report.comparisons[0]
    items = item_maps.items_to_map(ground.dataset)
    path = report.sweep.folder / "only" / "vectors.npz"
    made = item_maps.map_of(path, ground.dataset, items, report.sweep.folder / "report")
    return maps.storable(ground, {"only": made}, items, budget), items


def vectors_of(report) -> np.ndarray:
    return np.load(report.sweep.folder / "only" / "vectors.npz")["item_vectors"]


def test_half_of_the_items_are_the_most_popular_and_any_first_few_are_alike(mapped):
    data = mapped.comparisons[0].dataset
    popularity = np.asarray((data.train_matrix > 0).sum(axis=0)).ravel()
    items = item_maps.items_to_map(data, 20)
    by_popularity = np.argsort(-popularity, kind="stable")
    assert items[0::2].tolist() == by_popularity[:10].tolist()
    assert len(set(items)) == 20 and (popularity[items] > 0).all()
    everything = item_maps.items_to_map(data)
    assert sorted(everything) == np.flatnonzero(popularity).tolist()
    assert item_maps.items_to_map(data, 20).tolist() == items.tolist()


def test_neighbours_are_those_of_all_dimensions(mapped):
    stored, items = stored_of(mapped)
    vectors, data = vectors_of(mapped), mapped.comparisons[0].dataset
    known = np.bincount(data.train["item"], minlength=data.n_items) > 0
    lengths = np.linalg.norm(vectors, axis=1)
    (one,) = stored["maps"]
    assert len(one["near"]) == len(items)
    for row, item in enumerate(items):
        if lengths[item] == 0:
            assert one["near"][row] == []
            continue
        with np.errstate(invalid="ignore", divide="ignore"):
            cosines = vectors @ vectors[item] / lengths / lengths[item]
        cosines[(lengths == 0) | ~known | (np.arange(len(lengths)) == item)] = -2
        expected = np.argsort(-cosines, kind="stable")[:10]
        assert [int(items[place]) for place in one["near"][row]] == expected.tolist()
        assert one["cosines"][row] == pytest.approx(100 * cosines[expected], abs=0.51)


def test_only_items_with_training_events_are_named_as_neighbours(mapped):
    vectors, allowed = vectors_of(mapped), np.arange(60) % 3 > 0
    near = item_maps.computed(vectors, "dot", np.arange(60), allowed).near
    assert allowed[near[:-1]].all()
    assert (near[-1] == -1).all()  # the last item has no vector


def test_places_are_the_projection_by_one_unit_on_both_axes(mapped):
    stored, items = stored_of(mapped)
    vectors = vectors_of(mapped)[items].astype(float)
    there = np.linalg.norm(vectors, axis=1) > 0
    centred = vectors[there] - vectors[there].mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    expected = centred @ axes[:2].T
    found = np.array(stored["maps"][0]["components"], dtype=float).T
    assert np.isnan(found[~there]).all() and np.nanmax(np.abs(found)) == 1000
    apart = np.linalg.norm(expected[:, None] - expected, axis=2)
    drawn = np.linalg.norm(found[there][:, None] - found[there], axis=2)
    unit = drawn.max() / apart.max()
    np.testing.assert_allclose(drawn, unit * apart, atol=2)


def test_cosine_models_are_mapped_by_direction(mapped):
    vectors, items = vectors_of(mapped), np.arange(50)
    longer = vectors * np.linspace(1, 9, len(vectors), dtype=np.float32)[:, None]
    allowed = np.ones(len(vectors), bool)
    made = [item_maps.computed(v, "cosine", items, allowed) for v in (vectors, longer)]
    np.testing.assert_allclose(made[0].components, made[1].components, atol=1e-5)
    by_dot = item_maps.computed(longer, "dot", items, allowed)
    assert not np.allclose(by_dot.components, made[1].components, atol=0.1)


def test_titles_on_the_page_are_all_different(mapped):
    table = mapped.comparisons[0].dataset.items
    table.loc[table["item"].isin([5, 6]), "title"] = "Twice"
    stored, items = stored_of(mapped)
    assert len(set(stored["titles"])) == len(stored["titles"]) == len(items)
    assert "<script>alert(1)</script>" in stored["titles"]
    assert {"Twice (105)", "Twice (106)"} <= set(stored["titles"])


def test_items_can_be_coloured_by_categories_numbers_and_popularity(mapped):
    data = mapped.comparisons[0].dataset
    items = np.arange(data.n_items)
    table = data.items
    table["kind"] = [["a", "z"], ["b"], []] * 20
    table["note"] = [f"words {n}" for n in range(60)]
    table["release_time"] = 1_000_000_000 + 31_556_952 * (items % 3)
    table["many"] = [f"k{min(n % 20, 11)}" for n in items]
    columns = {column.name: column for column in maps.columns_of(data, items)}
    assert list(columns) == [
        "kind", "many", "year", "release_time (year)", "popularity (training users)",
    ]  # fmt: skip
    assert columns["kind"].names == ("a", "b") and np.isnan(columns["kind"].values[2])
    assert columns["many"].names[0] == "k11" and len(columns["many"].names) == 8
    assert columns["release_time (year)"].values[:3] == pytest.approx([2001.69, 2002.69, 2003.69])


def test_a_budget_is_kept_by_fewer_items(mapped):
    whole, _ = stored_of(mapped)
    budget = len(json.dumps(whole)) // 2
    stored, items = stored_of(mapped, budget)
    assert len(data_block("map", stored).encode()) < budget + 200
    n = len(stored["maps"][0]["near"])
    assert 5 < n < len(items)
    assert {len(column["values"]) for column in stored["columns"]} == {n}
    assert max(max(near, default=0) for near in stored["maps"][0]["near"]) < len(stored["titles"])


def test_the_section_says_how_many_items_it_shows_and_holds_one_picture(mapped, monkeypatch):
    html = maps.section(mapped).html
    assert "The map shows all 6" in html and html.count("<img") == 1
    assert "two principal components" in html
    monkeypatch.setattr(item_maps, "ITEMS", 30)
    monkeypatch.setattr(item_maps.items_to_map, "__defaults__", (30,))
    assert "The map shows 30 of the " in maps.section(mapped).html


def test_a_map_is_kept_in_the_report_s_folder_until_the_vectors_change(mapped, sweep_builder):
    folder = mapped.sweep.folder / "report"
    maps.section(mapped)
    assert not folder.exists()  # no report was made yet: the folder is not ours to begin
    folder.mkdir()
    sweep_builder.write_status(folder, "done")
    maps.section(mapped)
    (kept,) = folder.glob("map-*.npz")
    arrays = dict(np.load(kept))
    arrays["shares"] = np.array([0.11, 0.07])
    files.write_arrays(kept, arrays)
    assert "hold 11% and 7% of the variance" in maps.section(mapped).html
    kept.write_bytes(b"damaged")
    assert "hold 11%" not in maps.section(mapped).html
    world = mapped.comparisons[0].dataset
    sweep_builder.write_vectors(mapped.sweep.folder / "only" / "vectors.npz", world, 5)
    maps.section(open_report(mapped.sweep.folder))
    (other,) = folder.glob("map-*.npz")
    assert other.name != kept.name


def test_vectors_that_cannot_be_read_are_named(mapped):
    path = mapped.sweep.folder / "only" / "vectors.npz"
    world = mapped.comparisons[0].dataset
    items = item_maps.items_to_map(world)
    np.savez(path, item_vectors=np.ones((3, 2)), similarity=np.array("dot"))
    with pytest.raises(DataError, match=r"shape \(3, 2\); its dataset has 60 items"):
        item_maps.map_of(path, world, items, path.parent)
    np.savez(path, item_vectors=np.full((60, 2), np.nan), similarity=np.array("dot"))
    with pytest.raises(DataError, match="NaN"):
        item_maps.map_of(path, world, items, path.parent)
    path.write_bytes(b"no archive")
    assert maps.section(mapped).absent


def test_without_vectors_the_section_is_left_out(small_sweep):
    assert maps.section(open_report(small_sweep.parent)).absent


def test_a_dataset_without_vectors_says_so_beside_one_that_has(report):
    html = maps.section(report).html
    assert html.count('class="cg-map') == 1
    assert "No run of this dataset has vectors" in html
