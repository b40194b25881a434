"""Times: nothing is rounded before it is sorted."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from candgen.datasets import preparation
from candgen.errors import DataError


def parquet(**columns):
    held = io.BytesIO()
    pq.write_table(pa.table(columns), held)
    return held.getvalue()


@pytest.mark.parametrize(
    ("unit", "early", "late"),
    [
        ("ms", "1433231332100", "1433231332900"),
        ("us", "1433231332000001", "1433231332000002"),
        ("ns", "1433231332000000001", "1433231332000000002"),
        ("s", "1433231332.1", "1433231332.25"),
        ("s", "-100.75", "-100.5"),
        ("ms", "1433231332100.5", "1433231332100.75"),
        ("iso", "2020-09-01 11:27:40.599", "2020-09-01 11:27:40.6"),
        ("iso", "2020-09-01T11:27:40.000000001Z", "2020-09-01T11:27:40.000000002Z"),
        ("iso", "2020-09-01T13:27:40.1+02:00", "2020-09-01T11:27:40.2Z"),
    ],
)
@pytest.mark.parametrize("typed", [False, True])
def test_the_later_event_of_a_second_is_held_out(tmp_path, unit, early, late, typed):
    base = {"iso": "2001-01-01", "s": "-4000"}.get(unit, "1000")
    rows = [(u, i, t) for u in "xyz" for i, t in (("B" + u, late), ("A" + u, early), ("C", base))]
    path = tmp_path / ("a.parquet" if typed else "a.csv")
    if typed:
        users, items, times = zip(*rows, strict=True)
        path.write_bytes(parquet(user=users, item=items, timestamp=times))
    else:
        lines = ["user,item,timestamp", *map(",".join, rows)]
        path.write_text("\n".join(lines))
    data = preparation.prepare(
        tmp_path / "d", source="table", path=str(path), timestamp_unit=unit,
        split="leave_last_out", validation_fraction=0,
    )  # fmt: skip
    found = data.items["item_id"].to_numpy()[data.table("test")["item"]]
    assert found.tolist() == ["Bx", "By", "Bz"]
    assert not any("order of rows" in warning for warning in data.warnings)


def test_the_latest_of_repeated_pairs_is_the_latest_within_a_second(tmp_path):
    rows = ["1,a,5,1433231332900", "1,a,3,1433231332100", "2,a,1,1433231332000", "1,b,1,1000"]
    (tmp_path / "a.csv").write_text("\n".join(["user,item,rating,timestamp", *rows]))
    data = preparation.prepare(
        tmp_path / "d", source="table", path=str(tmp_path / "a.csv"), timestamp_unit="ms",
        split="random_rows", test_fraction=0.4, validation_fraction=0,
    )  # fmt: skip
    assert sorted(data.table("interactions")["rating"]) == [1, 1, 5]
    with pytest.raises(DataError, match=r"in rows 1 and 2, counted"):
        preparation.prepare(
            tmp_path / "d", source="table", path=str(tmp_path / "a.csv"), timestamp_unit="ms",
            duplicates="refuse",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2009-05-04T23:08:50Z", 1241478530),
        ("2009-05-04T23:08:50+02:00", 1241471330),
        ("2009-05-04 23:08:50-0530", 1241498330),
        ("2009-05-04 23:08:50.999 UTC", 1241478530),
        ("2009-05-04", 1241395200),
        ("1969-12-31T23:59:59.5", -1),
    ],
)
@pytest.mark.parametrize("typed", [False, True])
def test_dates_have_fractions_zones_and_offsets(read, written, expected, typed):
    if typed:
        whole = parquet(user=[1], item=[2], timestamp=[written])
        found = read(whole, name="a.parquet", timestamp_unit="iso")
    else:
        found = read(f"user,item,timestamp\n1,2,{written}\n", timestamp_unit="iso")
    assert found.interactions["timestamp"].tolist() == [expected]


@pytest.mark.parametrize("wrong", ["2024-02-30", "1433231332", "2024", "2024-05-01Q", "", "12:30"])
def test_what_is_no_date_is_named_by_its_line(refused, wrong):
    text = f"user,item,timestamp\n1,2,2024-05-01\n1,3,{wrong}\n"
    assert "a.csv, line 3: timestamp is" in refused(text, timestamp_unit="iso")


def test_seconds_may_be_floats_in_parquet(read):
    whole = parquet(user=[1, 1], item=[2, 3], timestamp=[1714566600.75, -0.5])
    events = read(whole, name="a.parquet").interactions
    assert events["timestamp"].tolist() == [1714566600, -1]
    assert events["nanoseconds"].tolist() == [750_000_000, 500_000_000]


def test_floats_may_be_in_any_unit(read):
    whole = parquet(user=[1, 1], item=[2, 3], timestamp=[1714566600250.5, -1.0])
    events = read(whole, name="a.parquet", timestamp_unit="ms").interactions
    assert events["timestamp"].tolist() == [1714566600, -1]
    assert events["nanoseconds"].tolist() == [250_500_000, 999_000_000]


def test_equal_times_are_said_to_be_no_split_by_time(tmp_path):
    lines = [f"{n // 5},{n % 5},77" for n in range(50)]
    (tmp_path / "a.csv").write_text("\n".join(["user,item,timestamp", *lines]))
    for split in ("timeline", "leave_last_out"):
        data = preparation.prepare(
            tmp_path / "d", source="table", path=str(tmp_path / "a.csv"), split=split
        )
        assert any("all events have the same time" in warning for warning in data.warnings)


def test_ties_at_the_edge_of_a_part_are_counted(tmp_path):
    times = [1, 2, 3, 4, 5, 5, 5, 5, 6, 7]
    lines = [f"{n},{n % 3},{time}" for n, time in enumerate(times)]
    (tmp_path / "a.csv").write_text("\n".join(["user,item,timestamp", *lines]))
    made = {"source": "table", "path": str(tmp_path / "a.csv"), "validation_fraction": 0}
    tied = preparation.prepare(tmp_path / "d", **made, test_fraction=0.4)
    assert any("40% of the events have the time" in warning for warning in tied.warnings)
    clear = preparation.prepare(tmp_path / "d", **made, test_fraction=0.2)
    assert not any("the order of rows" in warning for warning in clear.warnings)
