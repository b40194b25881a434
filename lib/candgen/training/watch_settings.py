"""Settings of what is watched on validation while a generator is trained."""

from __future__ import annotations

import re

from pydantic import model_validator

from candgen.checks import Count, Settings
from candgen.errors import SettingError

_WATCHED = re.compile(r"(recall|ndcg)@([1-9]\d*)")


class WatchSettings(Settings):
    """Settings of the checks on validation."""

    watch: str = "recall@20"
    """What is checked on validation: recall or ndcg at a cut-off."""
    watch_every: Count = 1
    """Epochs between two checks on validation."""
    watch_always: bool = False
    """Whether validation is checked without patience, too, where the generator is judged on it;
    nothing stops early. A search stops poor trials by these checks."""

    @model_validator(mode="after")
    def _watch_is_known(self) -> WatchSettings:
        self.watched_metric()
        return self

    def watched_metric(self) -> tuple[str, int]:
        """Return what is watched as its name and its cut-off, such as `("recall", 20)`."""
        found = _WATCHED.fullmatch(self.watch)
        if not found:
            raise SettingError(
                f"watch must be recall or ndcg at a cut-off, such as recall@20; got {self.watch!r}."
            )
        return found[1], int(found[2])
