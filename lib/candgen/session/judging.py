"""Judging and recommending as a person types it: no dataset to name, own ids, a picture at hand."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import TYPE_CHECKING, Any

from candgen import evaluation
from candgen.columns import USER
from candgen.datasets import Dataset
from candgen.errors import DataError
from candgen.evaluation import Judgement
from candgen.models import Generator

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

    from candgen.cluster.workers import Cluster


@dataclasses.dataclass(repr=False)
class JudgedModel(Judgement):
    """A judgement that knows its dataset and can draw itself."""

    dataset: Dataset | None = None

    def plot(
        self, metric: str = "recall@20", *, against: Judgement | None = None, ax: Axes | None = None
    ) -> Axes:
        """Draw how a metric is spread over users, with its mean and 95 % interval.

        Args:
            metric: A metric that is known per user, with its cut-off.
            against: The judgement drawn beside it, over the same users; popularity by default.
            ax: Axes to draw on. A new figure when omitted.

        Raises:
            SettingError: If the metric is unknown.
            DataError: If `against` was judged on other users.
        """
        from candgen import plots

        low, high = self.interval(metric)
        label = f"{metric} (mean {self.mean(metric):.3f}, 95 % interval {low:.3f} to {high:.3f})"
        drawn = {"label": label, "name": self.generator, "ax": ax}
        if against is None and self.generator == "popularity":
            return plots.per_user_spread(self.values(metric), **drawn)
        other = self.popularity if against is None else against
        if not self.per_user[USER].equals(other.per_user[USER]):
            raise DataError(
                f"{self.generator} and {other.generator} were judged on different users. "
                "Judge both on the same dataset and split."
            )
        return plots.per_user_spread(
            self.values(metric),
            baseline=other.values(metric),
            baseline_name=other.generator,
            **drawn,
        )

    @cached_property
    def popularity(self) -> Judgement:
        """The judgement of popularity on the same dataset, made when first asked for."""
        from candgen.models import Popularity

        cutoffs = sorted({int(metric.partition("@")[2]) for metric in self.metrics})
        model = Popularity().fit(self.dataset)
        return evaluation.judge(model, self.dataset, k=cutoffs[-1], cutoffs=cutoffs, seed=self.seed)


def judge(
    model: Generator,
    dataset: Dataset | None = None,
    *,
    k: int = 100,
    cutoffs: Sequence[int] | None = None,
    seed: int = 0,
    graded: bool = False,
    name: str = "",
    cluster: Cluster | None = None,
) -> JudgedModel:
    """Judge a fitted generator: rank all items for each user with something held out.

    Args:
        model: A fitted generator.
        dataset: The dataset to judge on, by default the one the model was fitted to.
        k: Candidates a user.
        cutoffs: Where lists are cut, none above k; by default 10, 20, 50 and 100 up to k.
        seed: For the bootstrap intervals.
        graded: Whether NDCG takes held-out ratings as gains.
        name: The name in tables and pictures; the generator's own when empty.
        cluster: Workers that share the users out, from `candgen.open_cluster`, for a generator
            that `has_vectors`.

    Returns:
        Metrics per user and overall. A notebook shows them as a table of means and intervals;
        `.plot("recall@20")` draws one, `.per_user` and `.overall` hold them all.

    Raises:
        SettingError: If a cut-off exceeds k.
        ColdStartError: If the judged users have no history and the generator needs one.
        DataError: If nobody can be judged.
        UnsupportedError: If a cluster is given and the model has no vectors.
    """
    data = model.dataset if dataset is None else dataset
    settings = {"k": k, "cutoffs": cutoffs, "seed": seed, "graded": graded}
    found = evaluation.judge(model, data, **settings, cluster=cluster)
    known = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
    known["generator"] = name or found.generator
    return JudgedModel(**known, dataset=data)


def compare(
    *judgements: Judgement, metric: str = "recall@20", baseline: str = "", **settings: Any
) -> pd.DataFrame:
    """Compare judgements with a baseline, paired over the same users.

    Judgements of the same generator are told apart by the settings in which they differ.

    Args:
        *judgements: Two or more, of one dataset.
        metric: A metric that is known per user.
        baseline: The name of the judgement to compare with. By default popularity, if it is among
            them, else the last.
        **settings: `margin` (differences up to it mean nothing in practice, 0.005), `level` of the
            intervals (0.95), `seed`, and `selected=True` where the baseline was chosen as the best
            of these judgements, which corrects for all pairs.

    Returns:
        One row a judgement other than the baseline: means, difference, 95 % interval `low` to
        `high`, `p`, `p_adjusted` (Holm-corrected) and a verdict in words. It is "better" or "worse"
        only if the whole interval lies beyond the margin.

    Raises:
        SettingError: If a name or a setting is wrong.
        DataError: If judgements rank different things or are of different users.
    """
    named = _told_apart(judgements)
    if not baseline and named:
        names = [judgement.generator for judgement in named]
        baseline = "popularity" if "popularity" in names else names[-1]
    return evaluation.compare(named, metric, baseline=baseline, **settings)


def recommend(model: Generator, users: ArrayLike, k: int = 10) -> pd.DataFrame:
    """Recommend items to users in own ids: the same as `model.recommend(users, k)`."""
    return model.recommend(users, k)


def _told_apart(judgements: Sequence[Judgement]) -> list[Judgement]:
    """Add the settings that differ to names that occur more than once."""
    named = []
    for judgement in judgements:
        same = [other for other in judgements if other.generator == judgement.generator]
        differing = ", ".join(
            f"{key}={value!r}"
            for key, value in judgement.settings.items()
            if any(other.settings.get(key) != value for other in same)
        )
        name = f"{judgement.generator}({differing})" if differing else judgement.generator
        named.append(dataclasses.replace(judgement, generator=name))
    return named
