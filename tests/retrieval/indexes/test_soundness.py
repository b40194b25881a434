"""Index files whose digests agree with them, and which no library wrote."""

import json
import subprocess
import sys

import numpy as np
import pytest

from candgen import files
from candgen.errors import DataError
from candgen.retrieval import indexes
from candgen.retrieval.indexes import folders, sidecar, soundness

rng = np.random.default_rng(6)
ITEMS = rng.normal(size=(400, 9)).astype(np.float32)
WIDTH = 16  # of faiss: 9 numbers, padded
NODE = 3 + 10  # of annoy: 9 numbers and one more


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Kind -> a folder with an index of it; look, do not touch."""
    settings = {"annoy": {"trees": 2, "bands": 2}, "faiss-hnsw": {"links": 4}}
    made = {}
    for kind in indexes.KINDS[1:]:
        made[kind] = tmp_path_factory.mktemp(kind)
        indexes.build(kind, ITEMS, "dot", seed=1, **settings.get(kind, {})).save(made[kind])
    return made


@pytest.fixture
def nodes(saved):
    """Nodes of the trees over the 200 longest items."""
    return np.fromfile(saved["annoy"] / "index.annoy", dtype=np.int32).reshape(-1, NODE)


def first_split(nodes):
    return 200 + int(np.argmax(nodes[200:, 0] > NODE - 1))


def first_list(nodes):
    return 200 + int(np.argmax(nodes[200:, 0] <= NODE - 1))


TREES = {
    "a link beyond the end": (lambda n: put(n, first_split(n), 1, len(n)), "leads nowhere or back"),
    "a link below zero": (lambda n: put(n, first_split(n), 2, -1), "leads nowhere or back"),
    "a link to itself": (
        lambda n: put(n, first_split(n), 1, first_split(n)), "leads nowhere or back",
    ),
    "a link back": (lambda n: put(n, first_split(n), 2, len(n) - 1), "leads nowhere or back"),
    "an item that does not exist": (lambda n: put(n, first_list(n), 2, 200), "does not exist"),
    "an item below zero": (lambda n: put(n, first_list(n), 1, -1), "does not exist"),
    "a list of none": (lambda n: put(n, first_list(n), 0, 0), "a node without items"),
    "a list of less than none": (lambda n: put(n, first_list(n), 0, -5), "a node without items"),
    "another count": (lambda n: put(n, first_split(n), 0, 2 * NODE), "counts other items"),
    "an item of two": (lambda n: put(n, 7, 0, 2), "nodes for other than 200 items"),
    "another root": (lambda n: put(n, -1, 0, 199), "holds 199 items, its sidecar"),
    "items alone": (lambda n: n[:200], "holds 1 items, its sidecar asks for 200"),
    "no node": (lambda n: n[:0], "no whole number of nodes"),
    "half a node": (lambda n: n.ravel()[:-3], "no whole number of nodes"),
    "a vector that is NaN": (lambda n: put(n, 3, 5, 0x7FC00000), "a vector that is not finite"),
    "a plane without end": (
        lambda n: put(n, first_split(n), 6, 0x7F800000), "a plane that is not finite",
    ),
}  # fmt: skip


def put(nodes, row, column, value):
    nodes[row, column] = value
    return nodes


@pytest.mark.parametrize("damage", TREES)
def test_trees_with_a_node_that_is_none_are_refused(tmp_path, nodes, damage):
    path, (change, message) = tmp_path / "index.annoy", TREES[damage]
    nodes.tofile(path)
    soundness.check_trees(path, 200, NODE - 3)
    change(nodes.copy()).tofile(path)
    with pytest.raises(soundness.Fault, match=message):
        soundness.check_trees(path, 200, NODE - 3)


def test_trees_of_another_width_are_refused(saved):
    with pytest.raises(soundness.Fault):
        soundness.check_trees(saved["annoy"] / "index.annoy", 200, NODE - 4)


def check(path, kind, vectors=ITEMS, width=WIDTH):
    soundness.check_faiss(path, kind, vectors, width)


@pytest.mark.parametrize("kind", indexes.KINDS[2:])
def test_what_faiss_wrote_is_sound_and_belongs_to_its_vectors_alone(saved, kind):
    path = saved[kind] / "index.faiss"
    check(path, kind)
    others = ITEMS.copy()
    others[-1, -1] += 1
    wrong = {
        "an Index": dict(kind=next(k for k in indexes.KINDS[2:] if k != kind)),
        "vectors of 16 numbers": dict(width=24),
        "400 vectors": dict(vectors=ITEMS[1:]),
    }
    if kind != "faiss-pq":  # which keeps codes of them
        wrong["others than vectors.npy holds"] = dict(vectors=others)
    for message, asked in wrong.items():
        with pytest.raises(soundness.Fault, match=message):
            check(path, **{"kind": kind, **asked})


def replaced(whole, before, after):
    """Put bytes in the place of others, which occur once."""
    before, after = before.tobytes(), after.tobytes()
    assert whole.count(before) == 1 and len(before) == len(after)
    return whole.replace(before, after)


@pytest.fixture(scope="module")
def graph(saved):
    """Arguments of `check_graph`."""
    import faiss

    index = faiss.read_index(str(saved["faiss-hnsw"] / "index.faiss"))  # keeps its graph alive
    names = {"levels": "levels", "offsets": "offsets", "links": "neighbors"}
    names["starts"] = "cum_nneighbor_per_level"
    arrays = {
        ours: faiss.vector_to_array(getattr(index.hnsw, n)).copy() for ours, n in names.items()
    }
    return arrays | {"entry": index.hnsw.entry_point, "top": index.hnsw.max_level}


def with_(array, place, value):
    made = array.copy()
    made[place] = value
    return made


def upper(graph):
    """The place of a node's first link on the upper floor."""
    node = int(np.argmax(graph["levels"] > 1))
    return int(graph["offsets"][node]) + int(graph["starts"][1])


GRAPHS = {
    "a link too far": ("links", lambda g: with_(g["links"], 5, 400), "leads nowhere"),
    "a link below -1": ("links", lambda g: with_(g["links"], -1, -2), "leads nowhere"),
    "a link to another floor": (
        "links", lambda g: with_(g["links"], upper(g), int(g["levels"].argmin())), "another floor",
    ),
    "links that are cut off": ("links", lambda g: g["links"][:-1], "links are cut off"),
    "an offset too far": ("offsets", lambda g: with_(g["offsets"], 9, 2**40), "offsets are wrong"),
    "an offset for each": ("offsets", lambda g: g["offsets"][:-1], "has other nodes"),
    "a floor too many": ("levels", lambda g: with_(g["levels"], 7, 99), "floor that does not"),
    "no floor": ("levels", lambda g: with_(g["levels"], 7, 0), "floor that does not"),
    "floors that do not rise": ("starts", lambda g: with_(g["starts"], 1, 0), "has no floors"),
    "floors from 1": ("starts", lambda g: with_(g["starts"], 0, 1), "has no floors"),
    "an entry too far": ("entry", lambda g: 400, "entered at a node"),
    "an entry below zero": ("entry", lambda g: -1, "entered at a node"),
    "an entry on the ground": ("entry", lambda g: int(np.argmin(g["levels"])), "entered at a node"),
    "a top too high": ("top", lambda g: g["top"] + 1, "entered at a node"),
}  # fmt: skip


@pytest.mark.parametrize("damage", GRAPHS)
def test_graphs_with_a_link_that_is_none_are_refused(graph, damage):
    name, change, message = GRAPHS[damage]
    soundness.check_graph(**graph)
    with pytest.raises(soundness.Fault, match=message):
        soundness.check_graph(**graph | {name: change(graph)})


def test_a_graph_in_a_file_is_checked(saved, tmp_path):
    import faiss

    index = faiss.read_index(str(saved["faiss-hnsw"] / "index.faiss"))
    index.hnsw.entry_point = -1
    faiss.write_index(index, str(tmp_path / "index.faiss"))
    with pytest.raises(soundness.Fault, match="entered at a node that does not exist"):
        check(tmp_path / "index.faiss", "faiss-hnsw")


LISTS = {
    "an item beyond the end": (lambda ids: with_(ids, 0, 400), "or one that does not exist"),
    "an item below zero": (lambda ids: with_(ids, 0, -1), "or one that does not exist"),
    "an item twice": (lambda ids: with_(ids, 0, ids[1]), "names an item twice"),
}


@pytest.mark.parametrize("kind", ["faiss-ivf", "faiss-pq"])
@pytest.mark.parametrize("damage", LISTS)
def test_lists_with_an_item_that_is_none_are_refused(saved, tmp_path, kind, damage):
    import faiss

    change, message = LISTS[damage]
    path = saved[kind] / "index.faiss"
    held = faiss.read_index(str(path))
    place = max(range(held.nlist), key=held.invlists.list_size)
    ids = faiss.rev_swig_ptr(held.invlists.get_ids(place), held.invlists.list_size(place)).copy()
    (tmp_path / "index.faiss").write_bytes(replaced(path.read_bytes(), ids, change(ids)))
    with pytest.raises(soundness.Fault, match=message):
        check(tmp_path / "index.faiss", kind)


def copied(saved, kind, folder):
    for path in saved[kind].iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def signed(folder, name):
    """Let the sidecar describe a changed file of the index."""
    said = files.read_json(folder / "index.json")
    content = folders.content_of(folders.file_bytes(folder / name))
    said["index"][name] = {"size": content.size, "spread": content.spread, "whole": content.whole}
    files.write_json(folder / "index.json", said)


@pytest.mark.parametrize("kind", ["annoy", "faiss-flat"])
def test_an_index_of_another_process_is_checked_apart_and_opened(saved, tmp_path, kind):
    folder = copied(saved, kind, tmp_path)
    said = json.loads((folder / "index.json").read_text())
    files.write_json(folder / "index.json", said | {"note": "other bytes, so nobody's here"})
    assert not sidecar.is_trusted(folder, "")
    found = indexes.load(folder).query(ITEMS[:3], 4)
    np.testing.assert_array_equal(found.items, indexes.load(saved[kind]).query(ITEMS[:3], 4).items)


def test_signed_damage_that_would_end_the_process_is_refused(saved, tmp_path, nodes):
    folder = copied(saved, "annoy", tmp_path)
    for row in np.flatnonzero(nodes[:, 0] > NODE - 1):
        nodes[row, 1:3] = 2**30  # beyond all memory
    nodes.tofile(folder / "index.annoy")
    signed(folder, "index.annoy")
    with pytest.raises(DataError, match=r"holds a damaged index: index\.annoy has a link that"):
        indexes.load(folder)


def test_what_ends_the_checking_process_is_refused(saved, monkeypatch):
    monkeypatch.setattr(soundness, "__name__", "os")  # `from os import main` fails
    with pytest.raises(DataError, match="annoy ended its process"):
        soundness.check_apart(saved["annoy"], "annoy", "annoy", 10, {"index.annoy": 200})


def test_a_digest_vouches_for_a_folder_and_for_no_other(saved, tmp_path, monkeypatch):
    folder = copied(saved, "annoy", tmp_path)
    monkeypatch.setattr(sidecar, "_written_here", set())
    monkeypatch.setattr(soundness, "check_apart", lambda *_: pytest.fail("nobody vouched"))
    digest = files.sha256_of(folder / "index.json")
    assert indexes.load(folder, digest=digest).n_items == 400
    with pytest.raises(DataError, match="is not the one that was noted: expected SHA-256 000000"):
        indexes.load(folder, digest="0" * 64)
    with pytest.raises(pytest.fail.Exception, match="nobody vouched"):
        indexes.load(folder)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("vectors", lambda v: with_(v, 7, np.nan), r"NaN or infinite numbers, first in vector 7"),
        ("vectors", lambda v: v.astype(np.float64), "holds float64, which no index does"),
        ("ids", lambda i: with_(i, 7, 8), "holds an id twice"),
        ("ids", lambda i: i.astype(float), "holds float64, which no index does"),
    ],
)
def test_signed_arrays_that_no_index_has_are_refused(saved, tmp_path, name, change, message):
    folder = copied(saved, "faiss-flat", tmp_path)
    array = change(np.load(folder / f"{name}.npy"))
    content = folders.write_array(folder / f"{name}.npy", array)
    said = files.read_json(folder / "index.json")
    said[name] = {"size": content.size, "spread": content.spread, "whole": content.whole}
    files.write_json(folder / "index.json", said)
    with pytest.raises(DataError, match=message):
        indexes.load(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dim": 0}, "dim must be 1 or greater, got 0"),
        ({"n_items": -400}, "n_items must be 1 or greater"),
        ({"similarity": "l2"}, "similarity is 'l2'"),
        ({"vectors": {"size": "9", "spread": "a", "whole": "b"}}, "vectors must have the keys"),
        ({"ids": {"size": 9, "spread": 7, "whole": "b"}}, "ids must have the keys"),
        ({"settings": [1]}, "settings must be dict"),
    ],
)
def test_a_sidecar_with_values_of_another_kind_is_refused(saved, tmp_path, change, message):
    folder = copied(saved, "faiss-flat", tmp_path)
    said = files.read_json(folder / "index.json")
    (folder / "index.json").write_text(json.dumps(said | change))
    with pytest.raises(DataError, match=message):
        indexes.load(folder)


def test_an_order_of_items_that_is_none_is_refused(saved, tmp_path):
    folder = copied(saved, "annoy", tmp_path)
    order = np.load(folder / "order.npy")
    order[3] = order[4]
    np.save(folder / "order.npy", order)
    signed(folder, "order.npy")
    with pytest.raises(DataError, match=r"order\.npy is no order of 400 items"):
        indexes.load(folder)


def test_headers_of_arrays_that_numpy_trips_over_are_refused(saved, tmp_path):
    folder = copied(saved, "faiss-flat", tmp_path)
    whole = (folder / "ids.npy").read_bytes()
    (folder / "ids.npy").write_bytes(whole[:10] + b"{" * 60 + whole[70:])
    with pytest.raises(DataError, match=r"ids\.npy cannot be opened"):
        indexes.load(folder)


def test_the_checks_need_no_test_runner(saved):
    code = "from candgen.retrieval.indexes.soundness import main; main()"
    asked = {"folder": str(saved["annoy"]), "kind": "annoy", "width": 10}
    told = json.dumps(asked | {"files": {"index.annoy": 200, "index-2.annoy": 200}})
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], input=told, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("kind", ["faiss-ivf", "faiss-pq"])
def test_an_item_in_two_lists_is_refused(saved, tmp_path, kind):
    import faiss

    index = faiss.read_index(str(saved[kind] / "index.faiss"))
    lists = index.invlists
    first, other = [place for place in range(index.nlist) if lists.list_size(place)][:2]
    item = int(faiss.rev_swig_ptr(lists.get_ids(first), 1)[0])
    lists.add_entry(other, item, lists.get_codes(first))
    faiss.write_index(index, str(tmp_path / "index.faiss"))
    with pytest.raises(soundness.Fault, match="names an item twice"):
        check(tmp_path / "index.faiss", kind)
