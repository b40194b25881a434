"""Looks at validation while a factorization is trained, for searches that stop poor trials."""

from __future__ import annotations

import numpy as np

from candgen.datasets import Dataset
from candgen.models.base import VectorGenerator
from candgen.models.factorization.settings import FactorizationSettings
from candgen.seeds import derive_seed
from candgen.training.watching import Looks, Watch


def looks_of(model: VectorGenerator, dataset: Dataset) -> Looks | None:
    """Return what looks at validation after each epoch; None where nobody asked for it.

    What is seen becomes the model's `watched_`.

    Users who are not trained on have no vector before the end: they are not looked at. What is
    learned is the same with and without.
    """
    chosen = model.chosen
    assert isinstance(chosen, FactorizationSettings)
    if not chosen.watch_always or dataset.evaluate_on != "validation":
        model.watched_ = ()
        return None
    trained = np.diff(dataset.train_matrix.indptr) > 0
    seed = derive_seed(chosen.seed, "watch")
    watch = Watch(
        dataset, *chosen.watched_metric(), offered=model.known_items_, among=trained, seed=seed
    )
    looks = Looks(watch, model.name, chosen.epochs, chosen.watch_every)
    model.watched_ = looks.seen
    return looks
