"""Stages with other settings than their sweep's file gives them: trials, and what was chosen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from candgen.sweeps import flat_settings, nested_settings
from candgen.sweeps.beforehand import check_cutoffs

if TYPE_CHECKING:
    from candgen.sweeps.plan import Stage

EVALUATE_ON = "evaluate_on"


def settled(stage: Stage, settings: dict[str, Any], **changes: Any) -> Stage:
    """Return a stage with other settings; its dataset and its files stay.

    Args:
        stage: Of a run.
        settings: Parameters and settings of its generator, flat.
        changes: Other fields of the stage, such as `folder`.

    Raises:
        SettingError: If the generator refuses the settings together.
    """
    notebook, written = stage.notebook, {**stage.written, **settings}
    parameters = flat_settings.nested(notebook, written)
    nested_settings.check(notebook, parameters)
    kept = [*stage.inputs, *(["dataset"] if stage.dataset else [])]
    parameters |= {key: stage.parameters[key] for key in kept}
    differs = {**stage.differs, **settings}
    changed = replace(stage, written=written, parameters=parameters, differs=differs, **changes)
    return flat_settings.check_generators(check_cutoffs(changed))


def trial_of(
    stage: Stage, settings: dict[str, Any], folder: Path, *, name: str, watched: bool
) -> Stage:
    """Return the stage of one trial: it learns from train alone and is judged on validation.

    Cells tagged `explore` are left out, also where the chosen run executes them.

    Args:
        stage: What is run with the settings that the search chooses.
        settings: What the trial tries.
        folder: Of the trial.
        name: Of the trial, for messages.
        watched: Whether validation is checked while it is trained, where its generator can.
    """
    generator = flat_settings.generator_of(stage.notebook, stage.written)
    always = {"watch_always": True}
    can = watched and always.keys() <= set(flat_settings.setting_names(generator))
    forced = {EVALUATE_ON: "validation", **(always if can else {})}
    return settled(stage, {**settings, **forced}, name=name, folder=folder, explore=False)


def value_of(stage: Stage, name: str) -> Any:
    """Return the value that a run has for a parameter or setting; None if it has no such."""
    if name in stage.written:
        return stage.written[name]
    if name in stage.notebook.parameters:
        return stage.notebook.parameters[name].default
    generator = flat_settings.generator_of(stage.notebook, stage.written)
    return flat_settings.default_of(generator, name)
