"""A project with a dataset of odd ids and a run of WALS on it."""

import numpy as np
import pandas as pd

from candgen import files
from candgen.datasets.dataset import write_dataset
from candgen.models import WALS
from candgen.session.runs import Run

N_USERS, N_ITEMS = 30, 80


def events(rng):
    """Each user takes items of one of two halves; the last item is taken by nobody."""
    users = np.repeat(np.arange(N_USERS), 8)
    items = np.concatenate(
        [rng.choice(np.arange(39) + 40 * (u % 2), 8, replace=False) for u in range(N_USERS)]
    )
    return pd.DataFrame({"user": users, "item": items})


def make_project_in(root):
    """Write the project into an empty folder; return the folder."""
    for name in ("notebooks", "params", "outputs"):
        (root / name).mkdir(parents=True)
    train = events(np.random.default_rng(0))
    tables = {
        "interactions": train,
        "train": train,
        "test": train.head(2),
        "users": pd.DataFrame(
            {"user": range(N_USERS + 1), "user_id": [f"u/{n}" for n in range(N_USERS + 1)]}
        ),
        "items": pd.DataFrame(
            {
                "item": range(N_ITEMS),
                "item_id": 1000 + 7 * ((37 * np.arange(N_ITEMS) + 11) % N_ITEMS),
                "title": [f"Film <{n}>" for n in range(N_ITEMS)],
            }
        ),
    }
    data = write_dataset(root / "outputs" / "datasets" / "films", tables, {"name": "films"})
    write_run_of(WALS(dim=8, seed=1).fit(data), data, root / "outputs" / "asked" / "wals")
    return root


def write_run_of(model, data, folder):
    """Write what an export needs of a run; return the run's folder."""
    folder.mkdir(parents=True)
    Run(folder, {})._write_vectors(model, data)
    described = {
        "name": data.name, "digest": data.digest, "folder": str(data.folder), "evaluate_on": "test",
    }  # fmt: skip
    row = {"generator": "WALS", "baseline": False, "settings": model.settings}
    files.write_json(folder / "metrics.json", {"dataset": described, "generators": [row]})
    return folder
