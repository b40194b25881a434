"""Input that is wrong on purpose: arguments, settings, sweep files, lists, parameter cells."""

_DEEP = 90_000
_LAUGHS = "[&a [1, 1], &b [*a, *a], &c [*b, *b]]"
_PAGE = "question: Why?\nnotebook: notebooks/15_baselines.ipynb\n"
_HEAD = f"{_PAGE}datasets: {{world: {{source: world}}}}\n"
SOUND = f"{_HEAD}runs: {{a: {{headline: recall@20}}}}\n"
_THOUSAND = ", ".join(map(str, range(1, 1000)))
_GRID = f"{{grid: {{k: [{_THOUSAND}], seed: [{_THOUSAND}], cutoffs: [[5], [6]]}}}}"

_DATASETS = (
    "datasets: 7",
    "datasets: {a: 7}",
    "datasets: {a: {source: worlds}}",
    "datasets: {a: {n_users: many}}",
    "datasets: {a: {n_users: 0}}",
    "datasets: {'../a': {}}",
)

HOSTILE_YAML = (
    _LAUGHS, "&a [*a]", "[" * _DEEP, "[" * 21 + "]" * 21, "{a: " * 20_000, "{a: " * 50_000,
    "1" * 41, "0x" + "f" * _DEEP, "1:" * 4000 + "1", "." + "1" * 5000, "x" * 10_001,
    "[" + "1," * 1001 + "]", "1e999", "!!python/object/apply:os.system [id]", "!!int x",
    "!!binary aGk=", "!!set {a}", "2024-13-45", ".nan", ".inf", "\x00", "\x1b[31m", "{a: 1, a: 2}",
)  # fmt: skip

SWEEPS = (
    "", "7", "[]", "- a\n- b\n", "null", "question: Why?\n", "a: [\n", "\tquestion: x\n",
    _HEAD, f"{_HEAD}runs:\n", f"{_HEAD}runs: []\n", f"{_HEAD}runs: {{}}\n", f"{_HEAD}runs: 7\n",
    f"{_HEAD}runs: {{a: 7}}\n", f"{_HEAD}runs: {{a: [1]}}\n", f"{_HEAD}runs: {{a: {_GRID}}}\n",
    *(f"{_HEAD}runs: {{{name!r}: {{k: 100}}}}\n"
      for name in ("..", "../x", "/x", ".x", "a/b", "", " ", "a\\b", "x" * 300, "report", "a:b")),
    *(f"{SOUND}{line}\n" for line in (
        "run: {}", "seeds: a", "seeds: [a]", "seeds: [-1]", "seeds: [1.5]", "seeds: 1e3",
        "seeds: [1, 1]",
        "seeds: []", 
        
        "defaults: 7", "defaults: {kk: 5}", "defaults: {k: a}", "defaults: {k: 0}",
        "defaults: {k: -1}",
        "defaults: {k: 1.5}", "defaults: {k: true}", "defaults: {k: [5]}", "defaults: {k: null}",
        "defaults: {dataset: nowhere}", "defaults: {generator: WALSS}", "defaults: {cutoffs: 5}",
        "defaults: {cutoffs: [0]}", "defaults: {cutoffs: [a]}", "defaults: {cutoffs: []}",
        "defaults: {evaluate_on: tests}", "defaults: {seed: a}", "defaults: {run_folder: x}",
        "report: 7", "report: {metrics: x}", "report: {metric: 7}", "report: {margin: wide}",
        "report: {margin: -1}", "retries: -1", "retries: a",
        "retries: 99",
        "minutes: 0", "minutes: -5", "minutes: long", "settings: 7", "settings: {a: ${b}}",
        "workers: 2", "notebooks: x", "explore: perhaps", "question: [1]", "question: {a: 1}",
    )),
    *(f"{_PAGE}{line}\nruns: {{a: {{dataset: a}}}}\n" for line in _DATASETS),
    *(f"{_HEAD}defaults:\n  k: {text}\nruns: {{a: {{}}}}\n" for text in HOSTILE_YAML),
)  # fmt: skip

# What stands in the sweep of `inputs.SWEEP`, and what takes its place.
SWEEP_CHANGES = tuple(
    pair for pair in (
        ("15_baselines", "15_baseline"), ("notebooks/15_baselines.ipynb", "/dev/zero"),
        ("notebooks/15_baselines.ipynb", "../../etc/passwd"), ("notebooks/15_baselines.ipynb", "."),
        ("${size}", "${sizes}"), ("${size}", "${"), ("size: 30", "size: many"),
        ("size: 30", "size: -3"),
        ("popularity", "popularities"), ("popularity", "7"),
        ("neighbours: [2, 4]", "neighbours: []"),
        ("neighbours: [2, 4]", "neighbours: 2"), ("neighbours: [2, 4]", "neighbour: [2, 4]"),
        ("neighbours: [2, 4]", "neighbours: [1, 1.0]"),
        ("neighbours: [2, 4]", "neighbours: [2, 2]"),
        ("neighbours: [2, 4]", "neighbours: [0]"), ("neighbours: [2, 4]", "neighbours: [a]"),
        ("k: 50", "k: 5e1x"),
        ("dataset: small", "dataset: smal"),
        ("source: world", "source: word"), ("source: world", "source: table"),
        ("source: world", "source: movielens, path: nowhere"), ("  b:", "  a:"),
    )
)  # fmt: skip

SETTINGS = (
    *(f"k={text}" for text in HOSTILE_YAML if text[0] != "&"),  # `&co` is a text where it is typed
    "", "=", "k", "=5", "kk=5", "k==5", "k=a", "k=0", "k=-3", "k=1.5", "k=[5]", "k={a: 1}",
    "k=true", "k=null", "k=", "seeds=a", "runs=7", "runs.a=7", "runs.zz.k=5", "runs.a.kk=5",
    "runs.a.generator=WALSS", "report.metrics=x", "report.margin=wide", "datasets=7",
    "datasets.small.n_users=many", "datasets.small.n_user=5", "notebook=nowhere",
    "defaults.k=a", "a.b.c.d=1", "..=1", ".k=1", "k.=1", "size=many", "size=0",
    "cutoffs=5", "cutoffs=[0]", "cutoffs=[a]", "evaluate_on=tests", "headline=7", "seed=a",
    "retries=-1", "retries=99", "minutes=0", "\x00=1", "k=\x00", "k=\x1b[31m", "é=1", "k=٣٣٣x",
)  # fmt: skip

LISTS = (
    "", "\n", "user\n", "user,item\n", "user,film\nu0,102\n", "user,user_id,item\nu1,u0,102\n",
    "user,item\nu0,102\nu99,101\n", "user,item\nu0,102\nu0,999\n", "user,item\nu0,102\nu0,102\n",
    "user,item\nu0,\n", "user,item\n,102\n", "user,item\nu0\n", "user,item\nu0,102,3\n",
    *(f"user,item,score\nu0,102,1\nu0,103,{score}\n" for score in (
        "nan", "inf", "-inf", "Infinity", "1e39", "-1e39", "1e999", "", "high", "1,5", "0x1p3")),
    *(f"user,item,rank\nu0,102,1\nu0,103,{rank}\n" for rank in (
        "1", "nan", "inf", "1e39", "", "first", "1e999")),
    "user,item,rank,score\nu0,102,1,1\nu0,103,2,5\n",
    "user,item,rank,score\nu0,102,2,7\nu0,103,1,5\n",
    b"user,item\nu0,\xff\n", b"\x00" * 100, b"\x1f\x8b" + b"x" * 50, b"PK\x03\x04" + b"x" * 50,
    b"PAR1" + b"x" * 50 + b"PAR1", b"\xff\xfe" + b"x" * 51, '"user,item\nu0,102\n', "{}\n",
    "x" * 200_000,
)  # fmt: skip

PARAMETER_CELLS = (
    "k: int = ", "k: int = open('/etc/passwd')", "k: int = 1; import os", "import os", "k = [",
    "k: int = 5\nk: int = 6", "k: complex = 1j", "k: int = 'a'", "def k(): pass",
    "for k in []: pass",
    "k: int = 5 if True else 6", "k: int = K", "k: list = [open]", "k: int = 9" * 2, "\x00",
    "k: int = 1" + "\0",
    "(" * 500, "-" * 100_000 + "1", "k: dict = {1: {2: f()}}", "k, j = 1, 2", "k += 1", "del k",
    "lambda: 0",
    "k: int = 5\n  j: int = 6", "print(1)", "k: 'int = 5", "class K: pass", "return 5", "yield",
    "await k",
)  # fmt: skip

COMMANDS = (
    ("nothing",), ("sweep",), ("sweep", "nowhere.yaml"), ("sweep", "{folder}"),
    ("sweep", "/dev/zero"),
    ("sweep", "{folder}/text.txt"), ("sweep", "", "--dry-run"), ("sweep", "\x1b[31m.yaml"),
    ("sweep", "params/quick.yaml", "--workers", "0"),
    ("sweep", "params/quick.yaml", "--workers", "a"),
    ("sweep", "params/quick.yaml", "--kernel", "hot"),
    ("sweep", "params/quick.yaml", "--retries", "-1"),
    ("sweep", "params/quick.yaml", "--retries", "99"),
    ("sweep", "params/quick.yaml", "--sets", "k=5"),
    ("run",), ("run", "nothing"), ("run", ""), ("run", ".."), ("run", "/dev/zero"),
    ("run", "{folder}"),
    ("run", "{folder}/text.txt"), ("run", "{folder}/odd.ipynb"), ("run", "15_baseline"),
    *(("run", "15_baselines", "-p", text) for text in (
        "", "k", "kk=5", "k=a", "k=1.5", "k=0", "k=-1", "k=[1]", "k=" + "9" * 41, "k=true",
        "run_folder=x", "generator=WALSS", "generator=", "generator=7", "cutoffs=5", "cutoffs=[0]",
        "cutoffs=[x]", "cutoffs=[]", "evaluate_on=tests", "dataset=nowhere", "dataset=../..",
        "seed=a",
        "seed=1.5", "settings=5", "settings={{a: 1}}", "neighbours=0", "neighbours=a",
        "headline=recall",
        "k=" + "[" * 90_000)),
    ("run", "15_baselines", "--minutes", "0"), ("run", "15_baselines", "--minutes", "-1"),
    ("run", "15_baselines", "--minutes", "nan"), ("run", "15_baselines", "--folder", "/dev/null"),
    ("run", "15_baselines", "--folder", "{folder}"),
    ("run", "15_baselines", "--folder", "{data}/../.."),
    ("prepare", "--source", "worlds"), ("prepare", "--source", "table"),
    ("prepare", "--source", "movielens"),
    ("prepare", "--source", "movielens", "--path", "nowhere"),
    ("prepare", "--source", "", "--path", "x"),
    *(("prepare", "--source", "world", "--name", name) for name in (
        "..", "../x", "/x", ".x", "a/b", " ", "a\\b", "x" * 300, "\x1b[31m", "a\nb")),
    *(("prepare", "--source", "world", "-p", text) for text in (
        "n_users=0", "n_users=many", "n_user=5", "n_items=-1", "events_per_user=nan", "seed=a",
        "split=never", "source=x", "n_users=1.5", "n_users=" + "9" * 41)),
    ("report", "nowhere"), ("report", ""), ("report", ".."), ("report", "{folder}"),
    ("report", "{data}"),
    ("report", "/dev/null"), ("report", "{folder}/text.txt"), ("report", "\x1b[31m"),
    ("advise", "nowhere"), ("advise", ""), ("advise", "{folder}"), ("advise", "/dev/null"),
    ("advise", "{data}"), ("advise", "{data}", "--first", "0"),
    ("advise", "{data}", "--sweep", "nowhere"), ("advise", "{data}", "--sweep", "{folder}"),
    ("judge", "nowhere.csv", "--dataset", "{data}"), ("judge", "{folder}", "--dataset", "{data}"),
    ("judge", "{folder}/text.txt", "--dataset", "{data}"),
    ("judge", "/dev/null", "--dataset", "{data}"),
    ("judge", "{folder}/lists.csv", "--dataset", "nowhere"), ("judge", "{folder}/lists.csv"),
    *(("judge", "{folder}/lists.csv", "--dataset", "{data}", "--cutoffs", text) for text in (
        "", "0", "-1", "a", "1.5", "10,", ",10", "10;20", "1e3", "٣", "10,10,x")),
    ("judge", "{folder}/lists.csv", "--dataset", "{data}", "--evaluate-on", "tests"),
    ("runs", "nowhere"), ("runs", ".."), ("runs", "{folder}/empty"), ("runs", "\x1b[31m"),
    ("export", "nowhere"), ("export", "asked/nobody"), ("export", ".."),
    ("export", "{folder}/empty"),
    *(("export", "{project}/outputs/asked/wals", *more) for more in (
        ("--kind", "fast"), ("--kind", ""), ("--folder", "{folder}"), ("--folder", "/dev/null"),
        ("--folder", "/proc/x"), ("-s", "trees"), ("-s", "trees=a"), ("-s", "trees=5"),
        ("-s", "=5"),
        ("--kind", "annoy", "-s", "trees=0"), ("--kind", "annoy", "-s", "trees=1.5"),
        ("--kind", "annoy", "-s", "tree=5"),
        ("--kind", "faiss-ivf", "-s", "lists=1e9"), ("--kind", "faiss-hnsw", "-s", "links=1e400"))),
    ("candidates", "nowhere", "--user", "u/3"), ("candidates", "{folder}", "--popular"),
    ("candidates", "{folder}/empty", "--popular"), ("candidates", "/dev/null", "--popular"),
    *(("candidates", "{folder}/exact", *more) for more in (
        (), ("--user", "nobody"), ("--user", ""), ("--item", "nothing"), ("--item", ""),
        ("-k", "0", "--popular"),
        ("-k", "a", "--popular"), ("-k", "-1", "--popular"), ("--user", "u/3", "--popular"),
        ("--user", "u/3", "--item", "1021"), ("--features", "nowhere.json"),
        ("--features", "/dev/zero"),
        ("--features", "{folder}/text.txt"), ("--features", "{folder}"), ("--user", "\x1b[31m"),
        ("--item", "1e3"), ("--item", "٣"), ("--item", "9" * 5000))),
    ("--versions",), ("doctor", "x"), ("\udcff",), ("runs", "\udcff"), ("sweep", "\udcff.yaml"),
)  # fmt: skip
