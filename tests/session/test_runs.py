import json
import math
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import matplotlib.figure
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from scipy.sparse import csr_array

from candgen import records, session
from candgen.errors import DataError, SettingError
from candgen.session import runs
from candgen.session.records import Metrics


@pytest.fixture
def project(tmp_path, monkeypatch):
    for name in ("notebooks", "params", "outputs"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runs, "_current", None)
    monkeypatch.setattr(runs.environment, "describe", lambda parameters: {})
    return tmp_path


@pytest.fixture
def run(project):
    return _opened(_page("k: int = 5\nrun_folder: str = 'outputs/s/r'"))


@pytest.fixture
def data():
    history = csr_array(np.array([[1, 0], [0, 0], [0, 1]], dtype=np.float32))
    return SimpleNamespace(
        name="toy",
        info={},
        digest="d",
        folder="f",
        evaluate_on="test",
        judged_on="test",
        history_matrix=history,
    )


def _page(source: str) -> dict:
    namespace: dict = {}
    exec(source, namespace)
    return namespace


def _opened(namespace: dict) -> runs.Run:
    """Call `open_run` as a cell of a notebook with these names does."""
    exec("from candgen import session\nrun = session.open_run()", namespace)
    return namespace["run"]


def _judgement(generator="WALS", recall=(0.5, 1.0), **settings):
    def save(path, dataset):
        pq.write_table(pd_table({"user": [0], "item": [1], "rank": [1]}), path)

    return SimpleNamespace(
        generator=generator,
        settings=settings,
        per_user=pd.DataFrame({"user": [0, 2], "recall@20": list(recall)}),
        candidates=SimpleNamespace(save=save),
        counts={"judged": 2},
        row=lambda: {"recall@20": np.float64(np.mean(recall)), "recall@20_low": float("nan")},
    )


def pd_table(columns):
    import pyarrow as pa

    return pa.table(columns)


def test_injected_values_are_read_with_the_types_of_the_page(project):
    page = _page("dim: int = 8\nrate: float = 0.1\ncutoffs: list = [10]\nderived = 3")
    exec("dim = 16\nrate = 1", page)  # papermill injects without annotations
    opened = _opened(page)
    assert opened.parameters == {"dim": 16, "rate": 1, "cutoffs": [10]}
    assert json.loads((opened.folder / "params.json").read_text()) == opened.parameters


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("dim: int = '8'", "dim must be a whole number, got '8'"),
        ("dim: int = True", "dim must be a whole number, got True"),
        ("name: str = 3", "name must be text, got 3"),
        ("sizes: list[int] = [1, 'b']", r"sizes\[1\] must be a whole number, got 'b'"),
        ("rate: float = float('nan')", "rate must be a finite number, got nan"),
        ("dim: int", r"'dim' has a type but no value"),
    ],
)
def test_a_parameter_of_the_wrong_type_is_named(project, source, message):
    with pytest.raises(SettingError, match=message):
        _opened(_page(source))


def test_a_parameter_may_be_one_of_several_types(project):
    page = _page("a: int | None = None\nb: str | list = ['x']\nc: dict = {'y': 1}")
    assert runs.read_parameters(page) == {"a": None, "b": ["x"], "c": {"y": 1}}


def test_opening_a_run_again_forgets_its_old_results(run, data):
    run.record(_judgement(), dataset=data)
    again = _opened(run.parameters | _page("run_folder: str = 'outputs/s/r'"))
    assert again.folder == run.folder
    assert not (run.folder / "metrics.json").exists()
    assert not list(run.folder.glob("*.parquet"))


def test_a_folder_that_is_no_run_keeps_its_files(project):
    kept = project / "mine" / "metrics.json"
    kept.parent.mkdir()
    kept.write_text("precious")
    with pytest.raises(DataError, match=r"mine is not empty and no earlier run"):
        _opened(_page("run_folder: str = 'mine'"))
    assert [path.name for path in kept.parent.iterdir()] == ["metrics.json"]
    assert kept.read_text() == "precious"


def test_files_of_a_person_stay_in_a_run_that_is_opened_again(run, data):
    """Even under names of our pattern: what is removed is what the run noted as its own."""
    run.figure(matplotlib.figure.Figure(), "loss")
    run.record(_judgement("WALS"), _judgement("EASE"), dataset=data)
    ours = {"figures/loss.png", "candidates-WALS.parquet", "candidates-EASE.parquet"}
    mine = {"figures/mine.png", "candidates-mine.parquet", "notes.txt"}
    for name in mine:
        (run.folder / name).write_text("mine")
    assert all((run.folder / name).is_file() for name in ours)
    _opened(run.parameters | _page("run_folder: str = 'outputs/s/r'"))
    left = {p.relative_to(run.folder).as_posix() for p in run.folder.rglob("*") if p.is_file()}
    assert left == {*mine, ".written.json", "params.json", "environment.json"}


def test_metrics_are_recorded_with_the_baselines_marked_and_nan_as_null(run, data):
    run.record(_judgement(dim=2), baselines=[_judgement("popularity", (0.0, 0.5))], dataset=data)
    metrics = json.loads((run.folder / "metrics.json").read_text())
    assert metrics["format"] == 1
    assert metrics["dataset"] == {
        "name": "toy", "digest": "d", "folder": "f", "evaluate_on": "test", "judged_on": "test",
    }  # fmt: skip
    own, popular = metrics["generators"]
    assert (own["generator"], own["baseline"], own["settings"]) == ("WALS", False, {"dim": 2})
    assert (own["recall@20"], own["recall@20_low"]) == (0.75, None)
    assert own["peak_memory_mib"] > 10
    assert (popular["generator"], popular["baseline"]) == ("popularity", True)
    per_user = pd.read_parquet(run.folder / "per_user.parquet")
    assert per_user["generator"].tolist() == ["WALS", "WALS", "popularity", "popularity"]
    assert per_user["recall@20"].tolist() == [0.5, 1.0, 0.0, 0.5]
    assert [p.name for p in run.folder.glob("cand*")] == ["candidates.parquet"]


def test_the_learning_curve_of_the_model_is_recorded_in_its_own_row(run, data):
    settings = {"dim": 2, "watch": "recall@20"}
    looks = [(1, 0.25), (2, math.nan), (3, 0.5)]
    model = SimpleNamespace(name="WALS", settings=settings, watched_=looks, has_vectors=False)
    run.record(
        _judgement("WALS", **settings), _judgement("EASE", **settings), model=model, dataset=data
    )
    rows = json.loads((run.folder / "metrics.json").read_text())["generators"]
    assert rows[0]["curve"] == {"metric": "recall@20", "points": [[1, 0.25], [3, 0.5]]}
    assert "curve" not in rows[1]
    assert records.read(run.folder / "metrics.json", Metrics)


def test_a_curve_without_points_is_no_record():
    row = {"generator": "WALS", "curve": {"metric": "recall@20", "points": [[1]]}}
    assert "['points'][0] must be a list of 2" in records.fault_of({"generators": [row]}, Metrics)


def test_several_generators_keep_their_candidates_apart(run, data):
    run.record(_judgement("EASE"), _judgement("WALS"), dataset=data)
    found = sorted(path.name for path in run.folder.glob("candidates*"))
    assert found == ["candidates-EASE.parquet", "candidates-WALS.parquet"]


def test_a_baseline_that_is_the_run_itself_is_not_recorded_twice(run, data):
    run.record(_judgement("popularity"), baselines=[_judgement("popularity")], dataset=data)
    assert len(json.loads((run.folder / "metrics.json").read_text())["generators"]) == 1


def test_one_name_for_two_generators_is_refused(run, data):
    with pytest.raises(SettingError, match=r"\['WALS'\] came several times"):
        run.record(_judgement(dim=1), _judgement(dim=2), dataset=data)


def test_impossible_metrics_are_not_recorded(run, data):
    with pytest.raises(DataError, match=r"recall@20 must lie in 0 \.\. 1, got 0\.5 \.\. 1\.5"):
        run.record(_judgement(recall=(0.5, 1.5)), dataset=data)
    assert not (run.folder / "metrics.json").exists()


def test_vectors_are_kept_for_the_users_that_have_a_history(run, data):
    class Model:
        has_vectors, computes_queries, watched_ = True, False, ()
        similarity = "cosine"  # what they were trained for
        searched_by = "dot"  # how they must be searched

        def user_vectors(self, users):
            return np.stack([users, -users], axis=1).astype(np.float32)

        def item_vectors(self):
            return np.ones((2, 2), dtype=np.float32)

    run.record(_judgement(), model=Model(), dataset=data)
    kept = np.load(run.folder / "vectors.npz")
    assert kept["users"].tolist() == [0, 2]
    assert kept["user_vectors"].tolist() == [[0, 0], [2, -2]]
    assert kept["similarity"] == "dot"


def _number(name="cost after 0 steps", printed=2.0, ours=2.5, why="other data"):
    return {"name": name, "printed": printed, "ours": ours, "why": why}


def test_numbers_stand_beside_those_that_were_printed(run):
    run.record_reproduced([_number(printed=3, ours=np.float32(2.5))])
    run.record_reproduced([_number("films", 694, np.int64(694), "")])
    assert json.loads((run.folder / "reproduced.json").read_text()) == [
        {"name": "cost after 0 steps", "printed": 3.0, "ours": 2.5, "why": "other data"},
        {"name": "films", "printed": 694.0, "ours": 694.0, "why": ""},
    ]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"name": "films", "ours": 1.0}, "the keys name, printed, ours, why, got name, ours"),
        (_number() | {"page": 3}, "why, page"),
        (_number(ours=float("nan")), "'cost after 0 steps': ours must be a finite number, got nan"),
        (_number(printed="2"), "printed must be a finite number, got '2'"),
        (_number(printed=True), "printed must be a finite number, got True"),
        (_number(why=None), "why must be text, got None"),
        (_number(" "), "needs a name"),
        (_number() | {"starts": [1.0, "2"]}, "ours must be a finite number, got '2'"),
        (_number() | {"starts": [1.0, float("inf")]}, "ours must be a finite number, got inf"),
        (_number("films"), r"\['films'\] came several times"),
    ],
)
def test_a_number_that_cannot_be_read_back_is_refused(run, row, message):
    run.record_reproduced([_number("films")])
    with pytest.raises(SettingError, match=message):
        run.record_reproduced([row])
    assert len(json.loads((run.folder / "reproduced.json").read_text())) == 1


def test_a_number_may_list_ours_from_several_starts(run):
    run.record_reproduced([_number(ours=1) | {"starts": [np.float32(1), 2]}])
    (kept,) = json.loads((run.folder / "reproduced.json").read_text())
    assert kept == _number(ours=1.0) | {"starts": [1.0, 2.0]}


def test_opening_a_run_again_forgets_its_numbers(run):
    run.record_reproduced([_number()])
    _opened(run.parameters | _page("run_folder: str = 'outputs/s/r'"))
    assert not (run.folder / "reproduced.json").exists()


def test_what_a_ranker_made_of_a_pool_is_kept_and_forgotten_with_the_run(run):
    ends = {"low": np.float64(0.1), "high": 0.3}
    told = {
        "worth": pd.DataFrame([{"generator": "WALS", "adds": 0.2, "recall_adds": 0.1} | ends]),
        "sizes": pd.DataFrame(
            [{"k": np.int64(5), "recall": 0.4, "ranked": 0.2, "fused": 0.1, "ceiling": 0.5} | ends]
        ),
        "importance": pd.DataFrame([{"feature": "age", "drop": 0.2} | ends]),
    }
    run.record_pool(metric="ndcg@10", k=5, learned_from=3, **told)
    kept = json.loads((run.folder / "pool.json").read_text())
    assert kept["sizes"] == told["sizes"].to_dict("records") and kept["learned_from"] == 3
    with pytest.raises(DataError, match="adds"):
        told["worth"]["adds"] = math.nan
        run.record_pool(metric="ndcg@10", k=5, learned_from=3, **told)
    _opened(_page("k: int = 5\nrun_folder: str = 'outputs/s/r'"))
    assert not (run.folder / "pool.json").exists()


def test_a_page_with_two_datasets_must_say_which_was_judged(run, data):
    run.datasets += [data, SimpleNamespace(**{**vars(data), "digest": "e"})]
    with pytest.raises(SettingError, match="opened 2 datasets"):
        run.record(_judgement())


def test_text_from_data_stays_text_in_a_sentence(run, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda markdown: shown.append(markdown.data))
    run.say(
        "**{title}** among {k}: {recall:.2f}", title="<script>alert(1)</script> *x*", recall=0.126
    )
    assert shown == [r"**&lt;script&gt;alert\(1\)&lt;/script&gt; \*x\*** among 5: 0.13"]
    evil = "<i>\u202e https://a.b me@a.b $x$"
    for text in (evil, np.str_(evil), np.array(evil, dtype=object)):
        run.say("{text} {n} {share:.1f}", text=text, n=np.int64(3), share=np.float32(-0.5))
        dollar = '<span class="mathjax_ignore tex2jax_ignore">&#36;</span>'
        assert shown[-1] == rf"&lt;i&gt; https\://a\.b me\@a\.b {dollar}x{dollar} 3 -0.5"


def test_an_opened_run_keeps_pandas_own_tables_text(run):
    import pandas as pd

    pd.reset_option("styler.format.escape")
    session.open_run(records=False)
    assert pd.get_option("styler.format.escape") == "html"


def test_a_figure_is_saved_under_its_name(run):
    matplotlib.use("agg")
    from matplotlib.figure import Figure

    axes = Figure().subplots(1, 2)
    run.figure(axes, "spread")
    assert (run.folder / "figures" / "spread.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(SettingError, match="letters, digits"):
        run.figure(axes, "../escape")


def test_an_unknown_dataset_and_an_unknown_part_are_named(project):
    with pytest.raises(DataError, match="No prepared dataset 'films'"):
        session.open_dataset("films")
    with pytest.raises(SettingError, match='must be "validation" or "test", got \'tets\''):
        session.open_dataset("films", evaluate_on="tets")


def test_two_pages_at_once_prepare_the_default_world_once(project, monkeypatch):
    from candgen import datasets, session
    from candgen.datasets import preparation

    prepared = []

    def prepare(folder, **settings):
        prepared.append(settings)
        time.sleep(0.5)
        folder.mkdir(parents=True)
        (folder / "dataset.json").write_text("{}")

    monkeypatch.setattr(preparation, "prepare", prepare)
    monkeypatch.setattr(
        datasets, "open_dataset", lambda folder: SimpleNamespace(for_test=lambda: folder)
    )
    with ThreadPoolExecutor(3) as pool:
        folders = list(pool.map(lambda _: session.open_dataset(), range(3)))
    assert folders == [project / "outputs" / "datasets" / "world"] * 3
    assert prepared == [{"source": "world", "name": "world"}]


@pytest.mark.parametrize("value", [np.float32("nan"), float("inf")])
def test_numbers_that_json_lacks_become_null(value):
    assert runs.json_ready({"a": (value, np.int64(3))}) == {"a": [None, 3]}


def test_files_that_were_damaged_since_are_named(run, data):
    from candgen.session import run_files

    run.record(_judgement("WALS"), _judgement("EASE"), dataset=data)
    run.figure(matplotlib.figure.Figure(), "loss")
    with run.appearing("study.json") as passing:
        passing.write_text("{}")
    described = run_files.describe(run.folder)
    assert set(described) == {
        "metrics.json", "per_user.parquet", "candidates-WALS.parquet", "candidates-EASE.parquet",
        "figures/loss.png", "params.json", "environment.json", "study.json",
    }  # fmt: skip
    assert run_files.damage(run.folder, described, digests=True) == []
    path = run.folder / "metrics.json"
    text = path.read_text()
    path.write_text(text.replace('"toy"', '"yot"'))  # of the same size
    (run.folder / "candidates-EASE.parquet").write_bytes(b"PAR1")
    (run.folder / "figures" / "loss.png").unlink()
    sizes = ["candidates-EASE.parquet is damaged", "figures/loss.png is missing"]
    assert run_files.damage(run.folder, described, digests=False) == sizes
    whole = [*sizes, "metrics.json is damaged"]
    assert run_files.damage(run.folder, described, digests=True) == whole
    results = run_files.damage(run.folder, described, digests=False, only=run_files.RESULTS)
    assert results == sizes[:1]
    odd = {"../x": {"size": 1}, "metrics.json": 3}
    assert len(run_files.damage(run.folder, odd, digests=False)) == 2
    assert run_files.damage(run.folder, None, digests=True) == []


def test_a_page_that_is_run_by_hand_does_not_disturb_a_sweep_at_work(project, monkeypatch):
    from candgen import files, locks
    from candgen.errors import BusyError

    page = _page("run_folder: str = 'outputs/s/r'")
    files.write_json(project / "outputs" / "s" / "sweep.json", {"format": 1, "runs": []})
    with locks.locked(project / "outputs" / "s" / ".lock"):
        with pytest.raises(BusyError, match=r"s is in use by process"):
            _opened(dict(page))
        assert not (project / "outputs" / "s" / "r").exists()
        monkeypatch.setenv("CANDGEN_BATCH", "1")  # a kernel of that sweep
        _opened(dict(page))
    monkeypatch.delenv("CANDGEN_BATCH")
    _opened(dict(page))
