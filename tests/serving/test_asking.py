"""Answers of an exported folder: users, items, new users, popular items; every kind of index."""

import json
import subprocess
import sys

import numpy as np
import pytest

from candgen.serving import reader

N_USERS, N_ITEMS = 30, 80

N_USERS, N_ITEMS = 30, 80
KINDS = ("exact", "annoy", "faiss-flat", "faiss-ivf", "faiss-hnsw", "faiss-pq")


def ids_of(rows):
    """Ids of items, in an order that is not that of the rows."""
    return 1000 + 7 * ((37 * np.asarray(rows) + 11) % N_ITEMS)


def rows_of(ids):
    return [np.flatnonzero(ids_of(range(N_ITEMS)) == i).item() for i in ids]


@pytest.mark.parametrize("kind", KINDS)
def test_a_user_gets_what_the_model_says_less_what_the_user_has(fitted, candgen, kind, tmp_path):
    assert candgen("export", "asked/wals", "--folder", tmp_path / "out", "--kind", kind)[0] == 0
    model, data = fitted
    code, out, _ = candgen("candidates", tmp_path / "out", "--user", "u/5", "-k", 6, "--json")
    found = json.loads(out)
    scores = model.user_vectors([5])[0] @ model.item_vectors().T
    scores[data.history_matrix[[5]].indices] = -np.inf
    scores[~model.known_items_] = -np.inf
    items = rows_of([row["item"] for row in found])
    assert code == 0 and len(set(items)) == 6
    np.testing.assert_allclose(scores[items], np.sort(scores)[::-1][:6], rtol=1e-4)
    np.testing.assert_allclose([row["score"] for row in found], scores[items], rtol=1e-4)
    assert [row["title"] for row in found] == [f"Film <{n}>" for n in items]
    assert [row["rank"] for row in found] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("kind", KINDS)
def test_asking_for_more_than_is_left_gives_all_that_is_left(fitted, candgen, kind, tmp_path):
    candgen("export", "asked/wals", "--folder", tmp_path / "out", "--kind", kind)
    found = reader.Exported(tmp_path / "out").for_user("u/0", 500)
    assert len(found) == fitted[0].known_items_.sum() - 8


def test_an_item_gets_its_relatives_and_not_itself(fitted, candgen, home):
    model, _ = fitted
    code, out, _ = candgen("candidates", home, "--item", ids_of(3), "-k", 5)
    rows = [line.split("\t") for line in out.splitlines()]
    vectors = model.item_vectors()
    with np.errstate(invalid="ignore"):
        cosines = vectors @ vectors[3] / np.linalg.norm(vectors, axis=1)
    cosines[~model.known_items_] = cosines[3] = -np.inf
    assert code == 0 and rows[0] == ["rank", "item", "title", "score"]
    assert [int(row[1]) for row in rows[1:]] == ids_of(np.argsort(-cosines)[:5]).tolist()


def test_a_new_user_is_folded_in_as_the_model_would(fitted, candgen, home, tmp_path):
    from scipy.sparse import csr_array

    (tmp_path / "new.json").write_text(json.dumps({"history": ids_of([0, 1, 3]).tolist()}))
    code, out, _ = candgen(
        "candidates", home, "--features", tmp_path / "new.json", "-k", 4, "--json"
    )
    model, _ = fitted
    history = np.zeros((1, N_ITEMS), np.float32)
    history[0, [0, 1, 3]] = 1
    scores = (model.fold_in(csr_array(history)) @ model.item_vectors().T)[0]
    scores[~model.known_items_] = -np.inf
    scores[[0, 1, 3]] = -np.inf
    best = np.argsort(-scores)[:4]
    assert code == 0
    assert [row["item"] for row in json.loads(out)] == ids_of(best).tolist()
    np.testing.assert_allclose([r["score"] for r in json.loads(out)], scores[best], rtol=1e-3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"age": 31}', 'Features of this run are {"history": [item ids]}, not empty; got age'),
        ("[1]", "not empty; got list"),
        ('{"history": []}', "not empty; got history"),
        ('{"history": [1000, NaN]}', "history holds [1000, nan]. Leave out what is unknown"),
        ('{"history": [1000, 5]}', "There is no item 5 among the 80 items"),
        ("no", "cannot be read as JSON"),
        (None, "cannot be read as JSON"),
    ],
)
def test_features_of_another_form_are_refused(candgen, home, tmp_path, content, message):
    if content:
        (tmp_path / "new.json").write_text(content)
    code, out, err = candgen("candidates", home, "--features", tmp_path / "new.json")
    assert (code, out) == (2, "") and message in err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("WALS", "ItemContent"), "Vectors of users of ItemContent are made by what was trained"),
        (("WALS", "TwoTower"), "This run of TwoTower kept no query tower. Run its page again"),
        (('weight_by": "', 'weight_by": "stars'), "WALS weighed events here, by stars"),
    ],
)
def test_a_run_that_cannot_answer_features_says_why(project, candgen, tmp_path, change, message):
    path = project / "outputs" / "asked" / "wals" / "metrics.json"
    assert change[0] in path.read_text()
    path.write_text(path.read_text().replace(*change))
    candgen("export", "asked/wals", "--folder", tmp_path / "out")
    (tmp_path / "new.json").write_text('{"history": [1000]}')
    code, _, err = candgen("candidates", tmp_path / "out", "--features", tmp_path / "new.json")
    assert code == 2 and f"cannot answer features: {message}" in err
    assert "Ask for --user, --item or --popular" in err
    assert message[1:] in (tmp_path / "out" / "README.md").read_text()


def test_what_most_users_have_is_there_for_everybody(fitted, candgen, home):
    code, out, _ = candgen("candidates", home, "--popular", "-k", 7, "--json")
    found, counts = json.loads(out), np.zeros(N_ITEMS)
    for item in fitted[1].train["item"]:
        counts[item] += 1
    best = np.argsort(-counts, kind="stable")[:7]
    assert code == 0 and [row["item"] for row in found] == ids_of(best).tolist()
    assert [row["score"] for row in found] == counts[best].tolist()
    everything = candgen("candidates", home, "--popular", "-k", 500, "--json")[1]
    assert len(json.loads(everything)) == (counts > 0).sum()


def test_unknown_users_and_items_are_named(candgen, home):
    code, _, err = candgen("candidates", home, "--user", "u/99")
    assert code == 2 and "no user 'u/99' among the 30 users" in err and "as u/0, u/1, u/2" in err
    err = candgen("candidates", home, "--user", "u/30")[2]
    assert "Only users with a history have a vector. For others, ask for --popular, or" in err
    assert "describe them by --features FILE: history (list of item ids)." in err
    assert (
        "There is no user 'u/29, a longer name'"
        in candgen("candidates", home, "--user", "u/29, a longer name")[2]
    )
    assert "no item '5' among the 80 items" in candgen("candidates", home, "--item", 5)[2]
    assert "no item 'Film'" in candgen("candidates", home, "--item", "Film")[2]
    assert "has no event in training" in candgen("candidates", home, "--item", ids_of(39))[2]


def test_one_question_at_a_time(candgen, home):
    assert "Give one of --user" in candgen("candidates", home)[2]
    assert "Give one of --user" in candgen("candidates", home, "--user", 1, "--item", 2)[2]


def test_the_folders_reader_answers_without_this_library(candgen, home):
    said = candgen("candidates", home, "--user", "u/2", "-k", 3, "--json")[1]
    code = (
        "import sys, runpy; sys.modules['candgen'] = None;"  # an attempt to import it fails
        "sys.argv = ['reader.py', '--user', 'u/2', '-k', '3', '--json'];"
        "sys.exit = lambda code: print({'pandas', 'tensorflow', 'numba'} & set(sys.modules),"
        " file=sys.stderr); runpy.run_path('reader.py', run_name='__main__')"
    )
    own = subprocess.run(
        [sys.executable, "-c", code], cwd=home, capture_output=True, text=True, check=True
    )
    assert json.loads(own.stdout) == json.loads(said)
    assert own.stderr.strip() == "set()"


def test_the_reader_opens_in_well_under_a_second(home):
    code = (
        "import time; from reader import Exported; Exported('.').for_user('u/1', 5);"
        "print(time.process_time())"  # of the whole process; a busy machine does not count
    )

    def seconds():
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=home, capture_output=True, text=True, check=True
        )
        return float(done.stdout)

    assert min(seconds() for _ in range(3)) < 1.0


@pytest.mark.parametrize("asked", [("--user", "u/1"), ("--item", "1021"), ("--popular",)])
def test_a_list_has_one_item_at_least_and_all_there_are_at_most(candgen, home, asked):
    for k in (0, -3):
        code, out, err = candgen("candidates", home, *asked, "-k", k)
        assert (code, out) == (2, "") and "greater than or equal to 1" in err
    held = reader.Exported(home)
    ask = {
        "--user": lambda k: held.for_user("u/1", k),
        "--item": lambda k: held.for_item(1021, k),
        "--popular": held.popular,
    }[asked[0]]
    for k in (0, True, 2.0):
        with pytest.raises(reader.ReaderError, match="k must be a whole number, at least 1"):
            ask(k)
    rows = json.loads(candgen("candidates", home, *asked, "-k", 9999, "--json")[1])
    assert 50 < len(rows) < N_ITEMS and len({row["item"] for row in rows}) == len(rows)


def test_ids_are_found_whatever_their_order(fitted, candgen, home):
    """Each user's own list, and each item's own relatives, by an id that is looked up."""
    held, (model, data) = reader.Exported(home), fitted
    order = np.random.default_rng(0).permutation(N_USERS)
    for user in order:
        scores = model.user_vectors([user])[0] @ model.item_vectors().T
        scores[data.history_matrix[[user]].indices] = -np.inf
        assert held.for_user(f"u/{user}", 1)[0].item == ids_of(scores.argmax())


def test_what_a_user_has_comes_again_where_the_dataset_allows_repeats(home):
    held = reader.Exported(home)
    assert not held.repeats and held.about["repeats"] == "withhold"
    described = home / "export.json"
    about = json.loads(described.read_text())
    described.write_text(json.dumps({**about, "repeats": "allow"}))
    allowing = reader.Exported(home)
    again = held.for_user("u/4", 6, again=True)
    assert allowing.for_user("u/4", 6) == again != held.for_user("u/4", 6)
    new = {"history": [row.item for row in again]}
    offered = {row.item for row in allowing.for_features(new, 20)}
    assert offered & set(new["history"])
    assert not {row.item for row in held.for_features(new, 20)} & set(new["history"])


def test_what_a_user_has_may_come_again_where_it_is_asked_for(fitted, home):
    held, (model, _) = reader.Exported(home), fitted
    scores = model.user_vectors([4])[0] @ model.item_vectors().T
    best = [row.item for row in held.for_user("u/4", 6, again=True)]
    assert best == ids_of(np.argsort(-scores)[:6]).tolist()


def test_queries_of_another_space_are_refused(home):
    held = reader.Exported(home)
    for query in (np.ones(7), np.full(8, np.nan), np.ones((1, 8))):
        with pytest.raises(reader.ReaderError, match="A query of 8 finite numbers expected"):
            held.for_vector(query, 3)


def with_vectors(project, **changed):
    """Let the run have left other vectors."""
    path = project / "outputs" / "asked" / "wals" / "vectors.npz"
    with np.load(path) as file:
        held = dict(file)
    held.update({name: change(held.get(name)) for name, change in changed.items()})
    np.savez(path, **held)
    return held


@pytest.mark.parametrize("kind", KINDS)
def test_cosines_are_cosines_whatever_the_lengths(project, candgen, kind, tmp_path):
    lengths = np.random.default_rng(1).lognormal(sigma=1.5, size=(N_ITEMS, 1))
    held = with_vectors(
        project,
        similarity=lambda _: np.array("cosine"),
        item_vectors=lambda v: v * lengths.astype(np.float32),
    )
    generous = ("-s", "search_k=4000") if kind == "annoy" else ()
    asked = ("export", "asked/wals", "--folder", tmp_path / "o", "--kind", kind, *generous)
    assert candgen(*asked)[0] == 0
    found = reader.Exported(tmp_path / "o").for_user("u/2", 9, again=True)
    user, items = held["user_vectors"][2], held["item_vectors"]
    with np.errstate(invalid="ignore"):
        cosines = items @ user / np.linalg.norm(items, axis=1) / np.linalg.norm(user)
    cosines[~items.any(axis=1)] = -np.inf
    best = np.argsort(-cosines)[:9]
    assert [row.item for row in found] == ids_of(best).tolist()
    np.testing.assert_allclose([row.score for row in found], cosines[best], rtol=1e-4)


def test_nobody_is_offered_what_they_have_where_some_users_have_no_vector(
    project, candgen, tmp_path, fitted
):
    with_vectors(project, users=lambda u: u[[2, 4, 7]], user_vectors=lambda v: v[[2, 4, 7]])
    assert candgen("export", "asked/wals", "--folder", tmp_path / "o")[0] == 0
    held, (model, data) = reader.Exported(tmp_path / "o"), fitted
    for user in (2, 4, 7):
        left = set(np.flatnonzero(model.known_items_)) - set(data.history_matrix[[user]].indices)
        assert set(rows_of([row.item for row in held.for_user(f"u/{user}", 999)])) == left


def test_what_nobody_has_is_not_popular_even_where_it_can_be_found(project, candgen, tmp_path):
    with_vectors(project, item_vectors=lambda v: np.where(v.any(axis=1, keepdims=True), v, 0.1))
    assert candgen("export", "asked/wals", "--folder", tmp_path / "o")[0] == 0
    held = reader.Exported(tmp_path / "o")
    nobodys = ids_of(N_ITEMS - 1)
    assert nobodys in {row.item for row in held.for_user("u/2", 999)}
    assert nobodys not in {row.item for row in held.popular(999)}


class Counted:
    """An index that counts how often it is asked."""

    def __init__(self, index):
        self.index, self.asked = index, 0

    def search(self, *arguments):
        self.asked += 1
        return self.index.search(*arguments)


def test_the_index_is_asked_and_what_it_lacks_is_made_up_for(candgen, tmp_path):
    settings = ("--kind", "faiss-ivf", "-s", "lists=10", "-s", "probes=1")
    assert candgen("export", "asked/wals", "--folder", tmp_path / "o", *settings)[0] == 0
    held = reader.Exported(tmp_path / "o")
    counted = held.__dict__["_nearest"] = Counted(held._nearest)
    for k in range(1, 11):
        for user in range(N_USERS):
            assert len(held.for_user(f"u/{user}", k)) == k
    assert counted.asked == 10 * N_USERS
    held.for_user("u/0", 70)  # nearly everything: exact search is quicker
    assert counted.asked == 10 * N_USERS


@pytest.mark.parametrize(
    "spelled", ["1_{0}", "+1{0}", " 1{0}", "1{0} ", "01{0}", "1{0}.0", "１{0}", "1{0}e0", "-1{0}"]
)
def test_what_only_looks_like_an_id_is_no_id(candgen, home, spelled):
    there = str(ids_of(3))
    assert there[0] == "1" and candgen("candidates", home, "--item", there)[0] == 0
    code, out, err = candgen("candidates", home, f"--item={spelled.format(there[1:])}")
    assert (code, out) == (2, "") and "There is no item" in err


def test_an_id_may_be_a_number_of_any_type_but_no_share_of_one(home):
    held = reader.Exported(home)
    there = ids_of(3)
    for same in (int(there), float(there), np.int64(there), np.int32(there), str(there)):
        assert held.for_item(same, 1)[0].rank == 1
    for other in (there + 0.5, True, None, [there]):
        with pytest.raises(reader.ReaderError, match="There is no item"):
            held.for_item(other, 1)
    # True equals 1, and is no id
    assert (reader._whole_id(1), reader._whole_id(True), reader._whole_id("1")) == (1, None, 1)


def test_a_title_stays_on_its_line(candgen, home, monkeypatch, capsys):
    odd = "Two\r\nlines,\ta tab\u2028and\x1b[31m\u202e more\x00"
    row = reader.Candidate(1, "a\tb", odd, 0.5)
    monkeypatch.setattr(reader, "answer", lambda *asked: [row])
    said = "rank\titem\ttitle\tscore\n1\ta b\tTwo lines, a tab and [31m  more \t0.5\n"
    assert candgen("candidates", home, "--popular")[1] == said
    assert reader.main(["--popular", "--folder", str(home)]) == 0
    assert capsys.readouterr().out == said
    for said in (candgen("candidates", home, "--popular", "--json")[1], said_as_json(home, capsys)):
        assert json.loads(said)[0]["title"] == odd  # whole, and spelled so that nothing obeys it
        assert said.isascii() and "\x1b" not in said


def said_as_json(home, capsys) -> str:
    assert reader.main(["--popular", "--json", "--folder", str(home)]) == 0
    return capsys.readouterr().out
