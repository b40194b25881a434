"""Budget of the searches of a sweep: the same for each generator."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from candgen.checks import Positive, Settings
from candgen.errors import SettingError
from candgen.sweeps.notebook_parameters import number_or_text
from candgen.sweeps.sweepfile import SweepFile

BUDGET = "budget"
USUAL_TRIALS = 30
MOST_TRIALS = 1000


class Budget(Settings):
    """Settings of `budget:` in a params file; they hold for the search of each generator."""

    trials: Annotated[int, Field(ge=1, le=MOST_TRIALS)] | None = None
    """Trials, failed and pruned ones among them; 30 if neither these nor minutes are given."""
    minutes: Positive | None = None
    """Minutes of all trials together, after which no other one begins."""
    sampler: Literal["tpe", "random", "grid", "qmc"] = "tpe"
    """Way of drawing settings: tpe (by what went well), random, grid (all of them, in order) or qmc
    (spread evenly)."""
    pruning: Literal["median", "hyperband", "none"] = "median"
    """Rule that stops trials early, where a generator is checked on validation as it learns."""

    @property
    def most_trials(self) -> int:
        """Trials at most, whatever the minutes."""
        if self.trials is not None:
            return self.trials
        return USUAL_TRIALS if self.minutes is None else MOST_TRIALS


def read_budget(source: SweepFile, **instead: Any) -> Budget:
    """Read the budget of a sweep.

    Args:
        source: The sweep's file.
        instead: Settings from the command line; None leaves what the file says.

    Raises:
        SettingError: If a setting is misspelt or out of range.
    """
    source.check_keys((BUDGET,), Budget.model_fields)
    given = {key: number_or_text(value) for key, value in source.section((BUDGET,)).items()}
    try:
        return Budget(**given | {k: v for k, v in instead.items() if v is not None})
    except SettingError as error:
        raise source.error((BUDGET,), error) from None
